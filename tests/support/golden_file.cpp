// Reading of reference values; the comparison is the one golden data were made for.
#include "tests/support/golden_file.h"

#include <ATen/ATen.h>

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <stdexcept>

namespace vim::test {

std::filesystem::path golden_path(const std::string& name) {
  const char* folder = std::getenv("VIM_GOLDEN_DIR");
  return std::filesystem::path(folder != nullptr ? folder : "tests/golden") / name;
}

nlohmann::json read_golden_json(const std::string& name) {
  std::ifstream stream(golden_path(name));
  if (!stream) {
    throw std::runtime_error("cannot open " + golden_path(name).string());
  }
  return nlohmann::json::parse(stream);
}

at::Tensor read_tensor(const weights::SafetensorsFile& file, const std::string& name) {
  const weights::TensorInfo* info = file.find(name);
  if (info == nullptr) {
    throw std::runtime_error(file.name() + " holds no " + name);
  }
  const bool is_integer = info->type == weights::TensorType::kI64;
  if (!is_integer && info->type != weights::TensorType::kF32) {
    throw std::runtime_error(name + ": only F32 and I64 are read here");
  }
  at::Tensor tensor = at::empty(info->shape, is_integer ? at::kLong : at::kFloat);
  const std::span<const std::byte> bytes = file.data(*info);
  std::memcpy(tensor.mutable_data_ptr(), bytes.data(), bytes.size());
  return tensor;
}

double relative_error(const at::Tensor& actual, const at::Tensor& expected) {
  if (actual.sizes() != expected.sizes() || !at::isfinite(actual).all().item<bool>()) {
    return std::numeric_limits<double>::infinity();
  }
  const at::Tensor wanted = expected.to(at::kDouble);
  const double error = (actual.to(at::kDouble) - wanted).abs().max().item<double>();
  return error / std::max(wanted.abs().max().item<double>(), 1e-6);
}

}  // namespace vim::test
