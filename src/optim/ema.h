// The exponential moving average of the weights (vim_spec 6.6), a sibling buffer of the store.
// Module buffers such as rotary tables do not change in training, so the average needs none of its
// own.
#pragma once

#include <ATen/core/Tensor.h>

#include "src/optim/parameter_store.h"

namespace vim::optim {

/// average <- average * decay + value * (1 - decay), in float, as one linear interpolation. Where
/// found_inf (a device scalar, may be undefined) is 1, nothing changes, whatever the values are.
void update_ema(ParameterStore& store, double decay, const at::Tensor& found_inf = {});

/// While it lives, the model computes with the averaged weights (and their low-precision copy);
/// then the values are back, bit for bit. The average must not be updated meanwhile.
class AveragedWeights {
 public:
  explicit AveragedWeights(ParameterStore& store);
  AveragedWeights(const AveragedWeights&) = delete;
  AveragedWeights& operator=(const AveragedWeights&) = delete;
  ~AveragedWeights();

 private:
  ParameterStore& store_;
  at::Tensor values_;
};

}  // namespace vim::optim
