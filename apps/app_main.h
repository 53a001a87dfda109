// What every program shares: --version, and how the end of a run becomes an exit code.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>

namespace vim::apps {

// Exit codes; that of a run that was stopped and can be resumed is core::kExitResumable.
inline constexpr int kExitDone = 0;
inline constexpr int kExitFailure = 1;
inline constexpr int kExitUserMistake = 2;

/// Parses the arguments and calls `run`, which returns the exit code. A vim::Error or a wrong
/// argument prints `error: TEXT`, one such line for each mistake, and gives 2, any other exception
/// 1. --help and --version end with 0.
int run_app(CLI::App& app, int argc, char** argv, const std::function<int()>& run);

/// The text of --version: version, commit, LibTorch, CUDA and SIMD of this program.
std::string version_text(const std::string& program);

}  // namespace vim::apps
