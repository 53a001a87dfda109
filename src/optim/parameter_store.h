// All parameters of a model in one flat float buffer, with gradients, Adam moments, weight average
// and low-precision copy as siblings of the same layout. Clearing, clipping, updating and averaging
// then are a few launches each, however many parameters there are.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "src/optim/optim_options.h"
#include "src/optim/parameter_groups.h"

namespace torch::nn {
class Module;
}

namespace vim::optim {

/// The buffers' length is a multiple of this, so that reductions can go row by row in a fixed
/// order.
inline constexpr int64_t kStoreRow = 1024;

/// One parameter's place in every buffer of the store, in elements.
struct StoredParameter {
  std::string name;
  int64_t offset = 0;
  std::vector<int64_t> shape;
  at::Tensor parameter;  // the module's own tensor, a view of the value buffer
};

/// A contiguous range of the buffers whose parameters are treated alike.
struct ParameterGroup {
  GroupRule rule;
  int64_t offset = 0;                    // elements
  int64_t length = 0;                    // elements, padding included
  std::vector<StoredParameter> members;  // in the model's registration order

  int64_t num_elements() const;  // padding excluded
};

enum class StoreBuffer { kValue, kGrad, kExpAvg, kExpAvgSq, kEma, kShadow };

/// Parameters of equal rule (parameter_groups.h) form a group; in the official recipe these are the
/// two of vim_spec 6.3, or one without any weight decay. A parameter starts at a multiple of 256
/// bytes in the float buffers; the padding in between is zero and stays so under every operation of
/// this folder.
class ParameterStore {
 public:
  /// Moves the model's parameters into the store: each becomes a view of the value buffer, its
  /// gradient one of the gradient buffer. Those that options freeze no longer require a gradient
  /// and have none; their part of the gradient buffer stays zero. Call after the model is on its
  /// device; `to()` on the model afterwards breaks the views, which check_views reports. Throws
  /// c10::Error unless every parameter is a float tensor of its own on one device; vim::Error for
  /// options out of range.
  ParameterStore(torch::nn::Module& model, const AdamWOptions& options);

  /// Adds the weight average, starting as a copy of the values.
  void enable_ema();

  /// Adds the low-precision copy and fills it. dtype: bfloat16 or half.
  void enable_shadow(at::ScalarType dtype);

  /// Casts the values into the low-precision copy, if there is one. Call whenever values have
  /// changed.
  void refresh_shadow();

  void zero_grad();

  bool has(StoreBuffer buffer) const;

  /// The whole buffer, one-dimensional. Throws c10::Error if it was not enabled.
  const at::Tensor& flat(StoreBuffer buffer) const;

  /// One parameter's part of a buffer, in the parameter's shape. Throws c10::Error for an unknown
  /// name.
  at::Tensor view(StoreBuffer buffer, const std::string& name) const;
  at::Tensor view(StoreBuffer buffer, const StoredParameter& parameter) const;

  /// The low-precision copy of a parameter of the model; undefined if there is none.
  at::Tensor shadow_of(const at::Tensor& parameter) const;

  /// Updates applied so far: a float scalar on the store's device.
  const at::Tensor& step_count() const { return step_count_; }

  /// Adds the factor that fp16 losses are multiplied by, and its state: a float scalar, and an int
  /// scalar counting the steps since it last changed.
  void enable_loss_scale(double initial);
  const at::Tensor& loss_scale() const { return loss_scale_; }      // undefined: not enabled
  const at::Tensor& scale_growth() const { return scale_growth_; }  // undefined: not enabled

  /// Halves the loss scale after a step that found_inf marks, doubles it after 2000 steps without.
  void update_loss_scale(const at::Tensor& found_inf);

  /// Not decayed ones first, as in the official optimizer, and else in the order in which the
  /// model registers the first parameter of each.
  const std::vector<ParameterGroup>& groups() const { return groups_; }

  int64_t num_elements() const;   // padding excluded
  int64_t num_trainable() const;  // the same without frozen parameters

  /// Throws c10::Error, naming the parameter, if a parameter or gradient of the model no longer
  /// lies in the store.
  void check_views() const;

  /// The first parameter, in the groups' order, whose gradient is not finite; empty if all are.
  std::string find_non_finite_gradient() const;

  /// Name of the parameter that element `index` of the buffers belongs to; empty for padding.
  std::string parameter_at(int64_t index) const;

 private:
  struct Place {
    size_t group;
    size_t member;
  };

  void collect_groups(torch::nn::Module& model, const AdamWOptions& options);
  void lay_out();
  void install_views();
  const StoredParameter& find(const std::string& name) const;

  std::vector<ParameterGroup> groups_;
  std::unordered_map<std::string, Place> places_;
  int64_t length_ = 0;
  at::Tensor value_;
  at::Tensor grad_;
  at::Tensor exp_avg_;
  at::Tensor exp_avg_sq_;
  at::Tensor ema_;
  at::Tensor shadow_;
  at::Tensor step_count_;
  at::Tensor loss_scale_;
  at::Tensor scale_growth_;
};

/// One line per group and one per member: what `--dry-run` prints.
std::string describe_groups(const ParameterStore& store);

}  // namespace vim::optim
