// Conversions between undefined tensors and what autograd nodes accept.
#include "src/ops/optional_tensors.h"

namespace vim::ops {

std::optional<at::Tensor> to_optional(const at::Tensor& tensor) {
  return tensor.defined() ? std::optional<at::Tensor>(tensor) : std::nullopt;
}

at::Tensor from_optional(const std::optional<at::Tensor>& tensor) {
  return tensor.value_or(at::Tensor());
}

std::vector<int64_t> defined_places(at::TensorList tensors) {
  std::vector<int64_t> places;
  for (size_t i = 0; i < tensors.size(); ++i) {
    if (tensors[i].defined()) {
      places.push_back(static_cast<int64_t>(i));
    }
  }
  return places;
}

std::vector<at::Tensor> gather(at::TensorList tensors, const std::vector<int64_t>& places) {
  std::vector<at::Tensor> result;
  for (const int64_t place : places) {
    result.push_back(tensors[static_cast<size_t>(place)]);
  }
  return result;
}

std::vector<at::Tensor> scatter(
    at::TensorList tensors, const std::vector<int64_t>& places, size_t size) {
  std::vector<at::Tensor> result(size);
  for (size_t i = 0; i < places.size(); ++i) {
    result[static_cast<size_t>(places[i])] = tensors[i];
  }
  return result;
}

}  // namespace vim::ops
