// Reading golden files through the project's own safetensors reader.
#include "tests/support/golden_file.h"

#include <ATen/ATen.h>

#include <cstring>
#include <fstream>
#include <limits>
#include <sstream>

#include "src/core/error.h"
#include "src/weights/safetensors.h"

namespace vim::test {
namespace {

at::ScalarType scalar_type(weights::TensorType type) {
  switch (type) {
    case weights::TensorType::kF64:
      return at::kDouble;
    case weights::TensorType::kF32:
      return at::kFloat;
    case weights::TensorType::kF16:
      return at::kHalf;
    case weights::TensorType::kBF16:
      return at::kBFloat16;
    case weights::TensorType::kI64:
      return at::kLong;
    case weights::TensorType::kU8:
      return at::kByte;
    default:
      throw Error("golden file: unexpected element type; extend tests/support/golden_file.cpp");
  }
}

}  // namespace

const at::Tensor& GoldenFile::at(const std::string& name) const {
  const auto found = tensors.find(name);
  if (found == tensors.end()) {
    throw Error("golden file: tensor '" + name + "' is missing; check the file");
  }
  return found->second;
}

at::Tensor GoldenFile::get(const std::string& name) const {
  const auto found = tensors.find(name);
  return found == tensors.end() ? at::Tensor() : found->second;
}

std::map<std::string, at::Tensor> GoldenFile::under(const std::string& prefix) const {
  std::map<std::string, at::Tensor> result;
  for (const auto& [name, tensor] : tensors) {
    if (name.starts_with(prefix)) {
      result.emplace(name.substr(prefix.size()), tensor);
    }
  }
  return result;
}

GoldenFile load_golden(const std::filesystem::path& path) {
  const auto file = weights::SafetensorsFile::open(path);
  GoldenFile golden;
  golden.metadata = file.metadata();
  for (const weights::TensorInfo& info : file.tensors()) {
    const at::Tensor tensor =
        at::empty(info.shape, at::TensorOptions().dtype(scalar_type(info.type)));
    const auto bytes = file.data(info);
    if (!bytes.empty()) {
      std::memcpy(tensor.mutable_data_ptr(), bytes.data(), bytes.size());
    }
    golden.tensors.emplace(info.name, tensor);
  }
  return golden;
}

std::string read_text(const std::filesystem::path& path) {
  std::ifstream stream(path);
  if (!stream) {
    throw Error(path.string() + ": cannot open; check that the file exists");
  }
  std::stringstream text;
  text << stream.rdbuf();
  return text.str();
}

double relative_error(const at::Tensor& computed, const at::Tensor& expected) {
  constexpr double kFloor = 1e-6;
  if (!computed.defined() || computed.sizes() != expected.sizes()) {
    return std::numeric_limits<double>::infinity();
  }
  if (expected.numel() == 0) {
    return 0.0;
  }
  const at::Tensor a = computed.detach().to(at::kCPU, at::kDouble);
  const at::Tensor b = expected.to(at::kCPU, at::kDouble);
  const double largest = b.abs().max().item<double>();
  const double difference = (a - b).abs().max().item<double>();
  const double error = difference / std::max(largest, kFloor);
  return std::isfinite(error) ? error : std::numeric_limits<double>::infinity();
}

}  // namespace vim::test
