// The GPU that the tests of this folder need.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>
#include <c10/core/Stream.h>

#include <array>

#include "src/train/train_options.h"

namespace vim::test {

inline const c10::Device kGpu{c10::DeviceType::CUDA, 0};

/// True if there is a GPU, otherwise says SKIP out loud. Every test asks first: this also sets what
/// the programs set before they first use it.
bool has_gpu();

/// All precisions, and their names for messages.
inline constexpr std::array<train::Precision, 3> kPrecisions = {
    train::Precision::kFloat32, train::Precision::kBFloat16, train::Precision::kFloat16};
const char* name_of(train::Precision precision);

/// Checks that `actual`, from the GPU, is as near to `exact`, the CPU's in float, as `rounded` is,
/// the CPU's in actual's precision. In float: to 1e-4 of the largest value, for sums of a few
/// hundred terms in another order through all layers. In 16 bits: to three times the CPU's own
/// rounding, for the GPU stores one more intermediate result of each layer, and sums in another
/// order.
void check_as_near(const at::Tensor& actual, const at::Tensor& rounded, const at::Tensor& exact);

/// Something else to do for the GPU: products of large matrices, about 0.4 ms each on an H100, and
/// passes over their memory.
class OtherWork {
 public:
  OtherWork();

  /// On a stream of its own, beside everything else.
  void launch_beside(int rounds);

  /// On the current stream: whatever is launched next waits for it.
  void launch_before(int rounds);

 private:
  c10::Stream side_;
  at::Tensor factor_;
  at::Tensor product_[2];
};

}  // namespace vim::test
