// Checks, launches and autograd of the token sequence.
#include "src/ops/token_sequence.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>

#include "kernels/token_sequence.h"
#include "src/ops/kernel_args.h"
#include "src/ops/optional_tensors.h"
#include "src/ops/run_kernel.h"

namespace vim::ops {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

kernels::TokenSequence make_sequence(
    at::IntArrayRef patches, at::ScalarType dtype, const std::vector<int64_t>& slots) {
  kernels::TokenSequence sequence;
  sequence.batch = patches[0];
  sequence.num_patches = patches[1];
  sequence.channels = patches[2];
  sequence.dtype = kernel_dtype(dtype);
  sequence.num_cls_tokens = static_cast<int>(slots.size());
  std::copy(slots.begin(), slots.end(), sequence.cls_slots);
  return sequence;
}

// tensors: patches, pos_embed or an undefined tensor, class tokens.
at::Tensor launch(const variable_list& tensors, const std::vector<int64_t>& slots) {
  const at::Tensor& patches = tensors[0];
  kernels::TokenSequenceParams params{make_sequence(patches.sizes(), patches.scalar_type(), slots)};
  const at::Tensor out = at::empty(
      {params.batch, params.num_tokens(), params.channels}, patches.options().dtype(at::kFloat));
  params.patches = patches.const_data_ptr();
  params.pos_embed = float_data(tensors[1]);
  for (size_t i = 0; i < slots.size(); ++i) {
    params.cls_tokens[i] = float_data(tensors[2 + i]);
  }
  params.out = float_data(out);
  run_kernel(
      patches,
      &kernels::DeviceEntries::token_sequence,
      kernels::token_sequence,
      kernels::token_sequence_num_rows(params),
      params);
  return out;
}

at::Tensor launch_backward(
    const at::Tensor& dout, at::ScalarType dtype, const std::vector<int64_t>& slots) {
  const auto num_cls = static_cast<int64_t>(slots.size());
  const at::Tensor dpatches =
      at::empty({dout.size(0), dout.size(1) - num_cls, dout.size(2)}, dout.options().dtype(dtype));
  kernels::TokenSequenceBackwardParams params{make_sequence(dpatches.sizes(), dtype, slots)};
  params.dout = float_data(dout);
  params.dpatches = dpatches.mutable_data_ptr();
  run_kernel(
      dout,
      &kernels::DeviceEntries::token_sequence_backward,
      kernels::token_sequence_backward,
      kernels::token_sequence_num_rows(params),
      params);
  return dpatches;
}

class TokenSequenceFunction : public torch::autograd::Function<TokenSequenceFunction> {
 public:
  // defined: those of patches, pos_embed and the class tokens that are, at these places.
  static at::Tensor forward(
      AutogradContext* context,
      at::TensorList defined,
      const std::vector<int64_t>& places,
      const std::vector<int64_t>& slots) {
    const variable_list tensors = scatter(defined, places, 2 + slots.size());
    context->saved_data["places"] = places;
    context->saved_data["slots"] = slots;
    context->saved_data["dtype"] = static_cast<int64_t>(tensors[0].scalar_type());
    return launch(tensors, slots);
  }

  static variable_list backward(AutogradContext* context, const variable_list& grad_outputs) {
    const auto places = context->saved_data["places"].toIntVector();
    const auto slots = context->saved_data["slots"].toIntVector();
    const auto dtype = static_cast<at::ScalarType>(context->saved_data["dtype"].toInt());
    const at::Tensor dout = grad_outputs[0].contiguous();
    // A class token is what its slot of the position embedding is: one row for all images.
    const at::Tensor dpos_embed = dout.sum(0, /*keepdim=*/true);
    variable_list grads = {launch_backward(dout, dtype, slots), dpos_embed};
    for (const int64_t slot : slots) {
      grads.push_back(dpos_embed.narrow(1, slot, 1));
    }
    variable_list result = gather(grads, places);
    result.resize(result.size() + 2);  // nothing for places and slots
    return result;
  }
};

void check_sequence(
    const at::Tensor& patches,
    const std::vector<ClsToken>& cls_tokens,
    const at::Tensor& pos_embed) {
  TORCH_CHECK(
      patches.dim() == 3 && patches.numel() > 0,
      "token_sequence: patches must be a non-empty (batch, num_patches, channels), got ",
      patches.sizes());
  TORCH_CHECK(
      cls_tokens.size() <= kernels::kMaxClsTokens,
      "token_sequence: at most ",
      kernels::kMaxClsTokens,
      " class tokens, got ",
      cls_tokens.size());
  for (const ClsToken& token : cls_tokens) {
    check_float("token_sequence: class token", token.value, {1, 1, patches.size(2)});
    check_one_device("token_sequence", {patches, token.value});
  }
  if (pos_embed.defined()) {
    const int64_t num_tokens = patches.size(1) + static_cast<int64_t>(cls_tokens.size());
    check_float("token_sequence: pos_embed", pos_embed, {1, num_tokens, patches.size(2)});
    check_one_device("token_sequence", {patches, pos_embed});
  }
}

}  // namespace

at::Tensor token_sequence(
    const at::Tensor& patches,
    const std::vector<ClsToken>& cls_tokens,
    const at::Tensor& pos_embed) {
  check_sequence(patches, cls_tokens, pos_embed);
  variable_list tensors = {patches.contiguous(), pos_embed};
  std::vector<int64_t> slots;
  for (const ClsToken& token : cls_tokens) {
    tensors.push_back(token.value);
    slots.push_back(token.slot);
  }
  const std::vector<int64_t> places = defined_places(tensors);
  const variable_list defined = gather(tensors, places);
  return TokenSequenceFunction::apply(at::TensorList(defined), places, slots);
}

}  // namespace vim::ops
