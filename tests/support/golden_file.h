// Reference values from tests/golden (or VIM_GOLDEN_DIR), for tests that use LibTorch.
#pragma once

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "src/weights/safetensors.h"

namespace vim::test {

std::filesystem::path golden_path(const std::string& name);

nlohmann::json read_golden_json(const std::string& name);

/// A float or int64 tensor of the file, copied.
at::Tensor read_tensor(const weights::SafetensorsFile& file, const std::string& name);

/// max |a - b| / max(max |b|, 1e-6): how the reference data want to be compared. Infinite on NaN or
/// a shape mismatch.
double relative_error(const at::Tensor& actual, const at::Tensor& expected);

}  // namespace vim::test
