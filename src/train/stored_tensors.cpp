// Strict reading: every name, type and shape must agree, and the report names all that do not.
#include "src/train/stored_tensors.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cstring>
#include <map>
#include <optional>

#include "src/core/error.h"

namespace vim::train {
namespace {

std::string describe(weights::TensorType type, const std::vector<int64_t>& shape) {
  return fmt::format("{} [{}]", weights::type_name(type), fmt::join(shape, ", "));
}

std::optional<at::ScalarType> float_type(weights::TensorType type) {
  switch (type) {
    case weights::TensorType::kF64:
      return at::kDouble;
    case weights::TensorType::kF32:
      return at::kFloat;
    case weights::TensorType::kF16:
      return at::kHalf;
    case weights::TensorType::kBF16:
      return at::kBFloat16;
    default:
      return std::nullopt;
  }
}

}  // namespace

weights::TensorType stored_type(at::ScalarType type) {
  switch (type) {
    case at::kFloat:
      return weights::TensorType::kF32;
    case at::kDouble:
      return weights::TensorType::kF64;
    case at::kBFloat16:
      return weights::TensorType::kBF16;
    case at::kInt:
      return weights::TensorType::kI32;
    case at::kLong:
      return weights::TensorType::kI64;
    case at::kBool:
      return weights::TensorType::kBool;
    default:
      TORCH_CHECK(false, "checkpoint: tensors of type ", type, " are not stored");
  }
}

at::Tensor float_tensor(
    std::span<const std::byte> bytes,
    weights::TensorType type,
    const std::vector<int64_t>& shape,
    const std::function<std::string()>& what) {
  const std::optional<at::ScalarType> element = float_type(type);
  if (!element) {
    throw Error(fmt::format(
        "{} holds {} elements; weights must be F64, F32, F16 or BF16",
        what(),
        weights::type_name(type)));
  }
  const at::Tensor tensor = at::empty(shape, *element);
  TORCH_INTERNAL_ASSERT(tensor.nbytes() == bytes.size(), "a stored tensor's size fits its shape");
  std::memcpy(tensor.mutable_data_ptr(), bytes.data(), bytes.size());
  return tensor.to(at::kFloat);
}

std::vector<std::string> find_mismatches(
    const weights::SafetensorsFile& file, const NamedTensors& wanted, std::string_view prefix) {
  std::vector<std::string> lines;
  std::map<std::string, const at::Tensor*> by_name;
  for (const auto& [name, tensor] : wanted) {
    by_name[name] = &tensor;
    const weights::TensorInfo* info = file.find(name);
    const weights::TensorType type = stored_type(tensor.scalar_type());
    if (info == nullptr) {
      lines.push_back("missing: " + name);
    } else if (info->type != type || info->shape != tensor.sizes().vec()) {
      lines.push_back(fmt::format(
          "misshapen: {} is {} in the file, {} in the model",
          name,
          describe(info->type, info->shape),
          describe(type, tensor.sizes().vec())));
    }
  }
  for (const weights::TensorInfo& info : file.tensors()) {
    if (info.name.starts_with(prefix) && !by_name.contains(info.name)) {
      lines.push_back("unexpected: " + info.name);
    }
  }
  return lines;
}

void copy_stored(
    const weights::SafetensorsFile& file, const NamedTensors& wanted, std::string_view prefix) {
  const auto lines = find_mismatches(file, wanted, prefix);
  if (!lines.empty()) {
    throw Error(fmt::format(
        "{}: does not fit the configured model ({} tensors); use the configuration it was made "
        "with\n  {}",
        file.name(),
        lines.size(),
        fmt::join(lines, "\n  ")));
  }
  const at::NoGradGuard no_grad;
  for (const auto& [name, tensor] : wanted) {
    const auto bytes = file.data(*file.find(name));
    const at::Tensor host = at::empty(tensor.sizes(), tensor.options().device(at::kCPU));
    std::memcpy(host.mutable_data_ptr(), bytes.data(), bytes.size());
    tensor.copy_(host);
  }
}

}  // namespace vim::train
