// Checks and conversions between tensors and the kernels' plain structs.
#include "src/ops/kernel_args.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

namespace vim::ops {

kernels::DType kernel_dtype(at::ScalarType dtype) {
  switch (dtype) {
    case at::kFloat:
      return kernels::DType::kFloat32;
    case at::kBFloat16:
      return kernels::DType::kBFloat16;
    case at::kHalf:
      return kernels::DType::kFloat16;
    default:
      TORCH_CHECK(false, "expected float, bfloat16 or half, got ", dtype);
  }
}

kernels::TokenView token_view(const at::Tensor& tokens) {
  if (!tokens.defined()) {
    return {};
  }
  return {tokens.const_data_ptr(), tokens.stride(0), tokens.stride(1)};
}

kernels::MutableTokenView mutable_token_view(const at::Tensor& tokens) {
  if (!tokens.defined()) {
    return {};
  }
  return {tokens.mutable_data_ptr(), tokens.stride(0), tokens.stride(1)};
}

void check_tokens(
    std::string_view what, const at::Tensor& tensor, at::IntArrayRef shape, at::ScalarType dtype) {
  TORCH_CHECK(tensor.defined(), what, " must be a tensor, got none");
  TORCH_CHECK(tensor.sizes() == shape, what, " must be ", shape, ", got ", tensor.sizes());
  TORCH_CHECK(
      tensor.scalar_type() == dtype, what, " must be ", dtype, ", got ", tensor.scalar_type());
  TORCH_CHECK(
      tensor.is_cpu() || tensor.is_cuda(),
      what,
      " must be on the CPU or a CUDA device, got ",
      tensor.device());
  TORCH_CHECK(
      tensor.size(-1) == 1 || tensor.stride(-1) == 1,
      what,
      " must have channel stride 1, got strides ",
      tensor.strides());
}

void check_float(std::string_view what, const at::Tensor& tensor, at::IntArrayRef shape) {
  check_tokens(what, tensor, shape, at::kFloat);
  TORCH_CHECK(tensor.is_contiguous(), what, " must be contiguous, got strides ", tensor.strides());
}

void check_one_device(std::string_view op, at::TensorList tensors) {
  for (const at::Tensor& tensor : tensors) {
    TORCH_CHECK(
        !tensor.defined() || tensor.device() == tensors[0].device(),
        op,
        ": all tensors must be on one device, got ",
        tensors[0].device(),
        " and ",
        tensor.device());
  }
}

float* float_data(const at::Tensor& tensor) {
  return tensor.defined() ? tensor.mutable_data_ptr<float>() : nullptr;
}

at::Tensor make_workspace(size_t num_bytes, const at::Tensor& like) {
  // LibTorch's allocators align to 64 bytes on the CPU and to 512 on a GPU.
  return at::empty({static_cast<int64_t>(num_bytes)}, like.options().dtype(at::kByte));
}

void parallel_rows(int64_t num_rows, const std::function<void(kernels::RowRange)>& run) {
  at::parallel_for(0, num_rows, 1, [&run](int64_t begin, int64_t end) { run({begin, end}); });
}

}  // namespace vim::ops
