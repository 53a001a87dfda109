// A node whose backward is a forward and a backward of its own.
#include "src/nn/recompute.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>

#include "src/ops/optional_tensors.h"

namespace vim::nn {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// How autograd can keep a function until the backward.
struct WorkHolder : torch::CustomClassHolder {
  RecomputableWork work;
};

class RecomputeFunction : public torch::autograd::Function<RecomputeFunction> {
 public:
  // defined: the inputs that are defined, at these places of `count`.
  static variable_list forward(
      AutogradContext* context,
      at::TensorList defined,
      const std::vector<int64_t>& places,
      int64_t count,
      const RecomputableWork& work) {
    auto holder = c10::make_intrusive<WorkHolder>();
    holder->work = work;
    context->saved_data["work"] = c10::IValue::make_capsule(holder);
    context->saved_data["places"] = places;
    context->saved_data["count"] = count;
    context->save_for_backward(defined.vec());
    context->set_materialize_grads(false);
    return work(ops::scatter(defined, places, static_cast<size_t>(count)));
  }

  static variable_list backward(AutogradContext* context, const variable_list& grad_outputs) {
    variable_list inputs;
    for (const at::Tensor& saved : context->get_saved_variables()) {
      inputs.push_back(saved.detach().set_requires_grad(saved.requires_grad()));
    }
    run_again(context, inputs, grad_outputs);
    variable_list result;
    for (const at::Tensor& input : inputs) {
      result.push_back(input.grad());
    }
    result.resize(result.size() + 3);  // nothing for places, count and work
    return result;
  }

 private:
  static void run_again(
      AutogradContext* context, const variable_list& inputs, const variable_list& grad_outputs) {
    const at::AutoGradMode with_grad(true);
    const auto holder =
        c10::static_intrusive_pointer_cast<WorkHolder>(context->saved_data["work"].toCapsule());
    const auto places = context->saved_data["places"].toIntVector();
    const auto count = static_cast<size_t>(context->saved_data["count"].toInt());
    const variable_list outputs = holder->work(ops::scatter(inputs, places, count));
    variable_list roots;
    variable_list grads;
    for (size_t i = 0; i < outputs.size(); ++i) {
      if (grad_outputs[i].defined() && outputs[i].requires_grad()) {
        roots.push_back(outputs[i]);
        grads.push_back(grad_outputs[i]);
      }
    }
    torch::autograd::backward(roots, grads);
  }
};

}  // namespace

std::vector<at::Tensor> recomputed(
    const std::vector<at::Tensor>& inputs, const RecomputableWork& work) {
  const auto places = ops::defined_places(inputs);
  const auto defined = ops::gather(inputs, places);
  return RecomputeFunction::apply(
      at::TensorList(defined), places, static_cast<int64_t>(inputs.size()), work);
}

}  // namespace vim::nn
