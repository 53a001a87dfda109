// What the kernel entries ask before they dispatch.
#pragma once

namespace vim::kernels {

/// True while the scalar specification is selected; otherwise HWY_DYNAMIC_DISPATCH finds the
/// selected target.
bool scalar_backend_selected();

}  // namespace vim::kernels
