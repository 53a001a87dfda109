// Files of torch.save: read by the product's parsers, compared with expected.json and with
// NAME.expected.safetensors beside them. Free of LibTorch.
#pragma once

#include <filesystem>

#include "tests/golden_runner/check.h"

namespace vim::golden {

/// Compares everything, exactly. A file named broken_* passes if it is refused by name.
Checks run_pth(const std::filesystem::path& path);

}  // namespace vim::golden
