// SIGTERM, SIGINT and SIGUSR1 ask a run to save and end; they never end it by themselves.
#pragma once

namespace vim::core {

/// Exit code of a run that stopped on request and can be resumed.
inline constexpr int kExitResumable = 75;

/// Installs the handlers. A second SIGINT ends the process at once.
void install_stop_handlers();

/// True once one of the signals has arrived.
bool stop_requested();

}  // namespace vim::core
