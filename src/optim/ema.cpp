// Whole-buffer operations; the padding is zero in both buffers and stays so.
#include "src/optim/ema.h"

#include <ATen/ATen.h>

namespace vim::optim {

void update_ema(ParameterStore& store, double decay, const at::Tensor& found_inf) {
  const at::NoGradGuard no_grad;
  const at::Tensor& average = store.flat(StoreBuffer::kEma);
  const at::Tensor& value = store.flat(StoreBuffer::kValue);
  if (!found_inf.defined()) {
    average.lerp_(value, 1 - decay);
    return;
  }
  // A weight of 0 would not do: 0 times a value that is not finite is NaN.
  average.copy_(at::where(found_inf.ne(0), average, at::lerp(average, value, 1 - decay)));
}

AveragedWeights::AveragedWeights(ParameterStore& store)
    : store_(store), values_(store.flat(StoreBuffer::kValue).clone()) {
  const at::NoGradGuard no_grad;
  store_.flat(StoreBuffer::kValue).copy_(store_.flat(StoreBuffer::kEma));
  store_.refresh_shadow();
}

AveragedWeights::~AveragedWeights() {
  const at::NoGradGuard no_grad;
  store_.flat(StoreBuffer::kValue).copy_(values_);
  store_.refresh_shadow();
}

}  // namespace vim::optim
