// Where a node's backward leaves the gradient of a parameter: with autograd, which adds it to
// parameter.grad(), or in parameter.grad() itself, which saves a launch and a buffer for each of
// the hundreds of parameters.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <vector>

namespace vim::ops {

enum class GradientMode : int64_t {
  kReturn,  // returned to autograd
  kAdd,     // added to parameter.grad()
  kWrite,   // written over parameter.grad(), which holds zeros
};

/// The mode that a model's nodes share: an int64 scalar on the CPU, read when a backward runs, so
/// that it may change between passes. An undefined tensor stands for kReturn.
at::Tensor make_gradient_mode(GradientMode mode);
void set_gradient_mode(const at::Tensor& shared, GradientMode mode);

/// One parameter's gradient while a backward computes it. Modes other than kReturn take effect for
/// leaves whose grad() is defined; they need every parameter to enter a pass once.
class ParameterGradient {
 public:
  ParameterGradient() = default;  // of no parameter
  ParameterGradient(const at::Tensor& parameter, const at::Tensor& mode);

  /// A float buffer of the parameter's shape for a kernel to overwrite; undefined for an undefined
  /// parameter.
  const at::Tensor& buffer();

  /// Sets or adds left * right, (rows, k) by (k, columns), to the gradient as a matrix of
  /// (rows, columns). The sides may be 16-bit; products are summed in float. Unless the gradient is
  /// returned, this is work for run_aside.
  void add_product(const at::Tensor& left, const at::Tensor& right);

  /// The same for a product of which the gradient is only a part: the pieces that `parts` takes
  /// from it, below one another.
  void add_parts_of_product(
      const at::Tensor& left,
      const at::Tensor& right,
      const std::function<std::vector<at::Tensor>(const at::Tensor& product)>& parts);

  /// Whether what fills the buffer may be work for run_aside: nobody reads it before the optimizer.
  bool may_wait() const { return mode_ != GradientMode::kReturn || !parameter_.defined(); }

  /// Ends the work on the gradient and returns what autograd gets: undefined where it has nothing
  /// left to do.
  at::Tensor finish();

 private:
  void do_aside(const std::vector<at::Tensor>& inputs, const std::function<void()>& work) const;

  at::Tensor parameter_;
  GradientMode mode_ = GradientMode::kReturn;
  at::Tensor buffer_;
};

/// Whether that holds for all of them.
bool may_all_wait(const std::vector<ParameterGradient>& gradients);

}  // namespace vim::ops
