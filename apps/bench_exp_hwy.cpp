// The rate of the scan's own exponential on one thread, compiled once per Highway target.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "apps/bench_exp_hwy.cpp"
#include "hwy/foreach_target.h"  // must come before highway.h
#include "hwy/highway.h"
// After them, as they toggle.
#include "apps/bench_exp.h"
#include "kernels/cpu/selective_scan_lanes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace vim::kernels::HWY_NAMESPACE {

// Chains of x = 2^-x, independent so that one does not wait for another. They settle at 0.64.
int64_t chain_exponentials(int64_t rounds, float* out) {
  constexpr int kChains = 8;
  const Lanes d;
  Floats x[kChains];
  for (int i = 0; i < kChains; ++i) {
    x[i] = hn::Set(d, 0.125F * static_cast<float>(i));
  }
  for (int64_t round = 0; round < rounds; ++round) {
    HWY_UNROLL(8)
    for (int i = 0; i < kChains; ++i) x[i] = vector_exp2(hn::Neg(x[i]));
  }
  Floats sum = x[0];
  for (int i = 1; i < kChains; ++i) sum = hn::Add(sum, x[i]);
  *out = hn::GetLane(sum);
  return rounds * kChains * kLanes;
}

}  // namespace vim::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace vim::kernels {
HWY_EXPORT(chain_exponentials);
}  // namespace vim::kernels

namespace vim::apps {

int64_t compute_exponentials(int64_t rounds, float* out) {
  using namespace vim::kernels;  // where the dispatch table and the targets' functions are
  return HWY_DYNAMIC_DISPATCH(chain_exponentials)(rounds, out);
}

}  // namespace vim::apps
#endif  // HWY_ONCE
