// The vectorised selective scan, compiled once per Highway target and dispatched at run time. Its
// rows and the workspace are those of the scalar version (selective_scan_impl.h).
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/selective_scan_hwy.cpp"
#include "hwy/foreach_target.h"  // must come before highway.h
#include "hwy/highway.h"
#include "kernels/cpu/selective_scan_bwd-inl.h"
#include "kernels/cpu/selective_scan_fwd-inl.h"
#include "kernels/cpu/selective_scan_impl.h"
#include "kernels/storage.h"

HWY_BEFORE_NAMESPACE();
namespace vim::kernels::HWY_NAMESPACE {

template <typename T>
HWY_NOINLINE void forward_rows(const ScanParams& params, RowRange rows) {
  for (int64_t row = rows.begin; row < rows.end; ++row) ForwardRow<T>(params, row).run();
}

template <typename T>
HWY_NOINLINE void backward_rows(const ScanBackwardParams& params, RowRange rows) {
  for (int64_t row = rows.begin; row < rows.end; ++row) BackwardRow<T>(params, row).run();
}

void scan_forward(const ScanParams& params, RowRange rows) {
  visit_dtype(params.dtype, [&](auto storage) { forward_rows<decltype(storage)>(params, rows); });
}

void scan_backward(const ScanBackwardParams& params, RowRange rows) {
  visit_dtype(
      params.forward.dtype, [&](auto storage) { backward_rows<decltype(storage)>(params, rows); });
}

}  // namespace vim::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace vim::kernels {

HWY_EXPORT(scan_forward);
HWY_EXPORT(scan_backward);

namespace simd {

void selective_scan_forward(const ScanParams& params, RowRange rows) {
  HWY_DYNAMIC_DISPATCH(scan_forward)(params, rows);
}

void selective_scan_backward(const ScanBackwardParams& params, RowRange rows) {
  HWY_DYNAMIC_DISPATCH(scan_backward)(params, rows);
}

}  // namespace simd
}  // namespace vim::kernels
#endif  // HWY_ONCE
