// Vector loads and stores of the storage types, once per Highway target. `d` is a float tag.
#if defined(VIM_KERNELS_VECTOR_STORAGE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef VIM_KERNELS_VECTOR_STORAGE_INL_H_
#undef VIM_KERNELS_VECTOR_STORAGE_INL_H_
#else
#define VIM_KERNELS_VECTOR_STORAGE_INL_H_
#endif

#include <cstdint>

#include "hwy/highway.h"
#include "kernels/storage.h"

// In hardware, binary16 is rounded to nearest even; elsewhere Highway 1.0 truncates.
#undef VIM_NATIVE_FLOAT16
#define VIM_NATIVE_FLOAT16 ((HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX2) || HWY_TARGET == HWY_NEON)

HWY_BEFORE_NAMESPACE();
namespace vim::kernels::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

/// Returns Lanes(d) values as float, from unaligned memory; exact.
template <class D>
HWY_INLINE hn::Vec<D> load_floats(D d, const float* from) {
  return hn::LoadU(d, from);
}

template <class D>
HWY_INLINE hn::Vec<D> load_floats(D d, const BFloat16* from) {
  const hn::Rebind<uint16_t, D> du16;
  const hn::RebindToUnsigned<D> du32;
  const auto bits = hn::LoadU(du16, reinterpret_cast<const uint16_t*>(from));
  return hn::BitCast(d, hn::ShiftLeft<16>(hn::PromoteTo(du32, bits)));
}

/// Stores Lanes(d) values to unaligned memory, rounded to nearest even; NaN is kept.
template <class D>
HWY_INLINE void store_floats(D d, hn::Vec<D> value, float* to) {
  hn::StoreU(value, d, to);
}

/// Stores the low halves of 32-bit lanes, each at most 0xFFFF.
template <class D32, class V32>
HWY_INLINE void store_low_halves(D32 /*du32*/, V32 bits, uint16_t* to) {
  const hn::Rebind<uint16_t, D32> du16;
  const hn::RebindToSigned<D32> di32;
  hn::StoreU(hn::DemoteTo(du16, hn::BitCast(di32, bits)), du16, to);
}

template <class D>
HWY_INLINE void store_floats(D /*d*/, hn::Vec<D> value, BFloat16* to) {
  const hn::RebindToUnsigned<D> du;
  const auto bits = hn::BitCast(du, value);
  const auto upper = hn::ShiftRight<16>(bits);
  const auto rounding = hn::Add(hn::And(upper, hn::Set(du, 1U)), hn::Set(du, 0x7FFFU));
  const auto rounded = hn::ShiftRight<16>(hn::Add(bits, rounding));
  const auto quiet = hn::Or(upper, hn::Set(du, 0x0040U));
  const auto is_nan = hn::RebindMask(du, hn::IsNaN(value));
  store_low_halves(du, hn::IfThenElse(is_nan, quiet, rounded), reinterpret_cast<uint16_t*>(to));
}

#if VIM_NATIVE_FLOAT16

template <class D>
HWY_INLINE hn::Vec<D> load_floats(D d, const Float16* from) {
  const hn::Rebind<hwy::float16_t, D> df16;
  return hn::PromoteTo(d, hn::LoadU(df16, reinterpret_cast<const hwy::float16_t*>(from)));
}

template <class D>
HWY_INLINE void store_floats(D /*d*/, hn::Vec<D> value, Float16* to) {
  const hn::Rebind<hwy::float16_t, D> df16;
  hn::StoreU(hn::DemoteTo(df16, value), df16, reinterpret_cast<hwy::float16_t*>(to));
}

#else

template <class D>
HWY_INLINE hn::Vec<D> load_floats(D d, const Float16* from) {
  const hn::Rebind<uint16_t, D> du16;
  const hn::RebindToUnsigned<D> du;
  const hn::RebindToSigned<D> di;
  const auto bits = hn::PromoteTo(du, hn::LoadU(du16, reinterpret_cast<const uint16_t*>(from)));
  const auto sign = hn::ShiftLeft<16>(hn::And(bits, hn::Set(du, 0x8000U)));
  const auto magnitude = hn::And(bits, hn::Set(du, 0x7FFFU));
  const auto shifted = hn::ShiftLeft<13>(magnitude);
  const auto normal = hn::Add(shifted, hn::Set(du, (127U - 15U) << 23));
  const auto integer = hn::ConvertTo(d, hn::BitCast(di, magnitude));
  const auto subnormal = hn::BitCast(du, hn::Mul(integer, hn::Set(d, 0x1p-24F)));
  const auto special = hn::Or(shifted, hn::Set(du, 0x7F800000U));
  auto result = hn::IfThenElse(hn::Lt(magnitude, hn::Set(du, 0x0400U)), subnormal, normal);
  result = hn::IfThenElse(hn::Gt(magnitude, hn::Set(du, 0x7BFFU)), special, result);
  return hn::BitCast(d, hn::Or(sign, result));
}

// The branches of from_float<Float16>, selected by lane.
template <class D>
HWY_INLINE void store_floats(D d, hn::Vec<D> value, Float16* to) {
  const hn::RebindToUnsigned<D> du;
  const auto bits = hn::BitCast(du, value);
  const auto sign = hn::And(hn::ShiftRight<16>(bits), hn::Set(du, 0x8000U));
  const auto magnitude = hn::And(bits, hn::Set(du, 0x7FFFFFFFU));
  const auto odd = hn::And(hn::ShiftRight<13>(magnitude), hn::Set(du, 1U));
  const auto rebased = hn::Sub(magnitude, hn::Set(du, (127U - 15U) << 23));
  auto result = hn::ShiftRight<13>(hn::Add(rebased, hn::Add(odd, hn::Set(du, 0xFFFU))));
  const auto shifted = hn::Add(hn::BitCast(d, magnitude), hn::Set(d, 0.5F));
  const auto small = hn::Sub(hn::BitCast(du, shifted), hn::Set(du, 0x3F000000U));
  result = hn::IfThenElse(hn::Lt(magnitude, hn::Set(du, 0x38800000U)), small, result);
  const auto is_huge = hn::Gt(magnitude, hn::Set(du, 0x477FEFFFU));
  result = hn::IfThenElse(is_huge, hn::Set(du, 0x7C00U), result);
  const auto payload = hn::And(hn::ShiftRight<13>(magnitude), hn::Set(du, 0x3FFU));
  const auto is_nan = hn::Gt(magnitude, hn::Set(du, 0x7F800000U));
  result = hn::IfThenElse(is_nan, hn::Or(payload, hn::Set(du, 0x7E00U)), result);
  store_low_halves(du, hn::Or(sign, result), reinterpret_cast<uint16_t*>(to));
}

#endif

/// load_floats of the first `count` lanes, the rest 0; memory beyond them is not touched.
template <class D, typename T>
HWY_INLINE hn::Vec<D> load_part(D d, const T* from, int64_t count) {
  if (HWY_LIKELY(count == static_cast<int64_t>(hn::Lanes(d)))) {
    return load_floats(d, from);
  }
  HWY_ALIGN float lanes[hn::MaxLanes(d)] = {};
  for (int64_t i = 0; i < count; ++i) {
    lanes[i] = to_float(from[i]);
  }
  return hn::Load(d, lanes);
}

/// store_floats of the first `count` lanes.
template <class D, typename T>
HWY_INLINE void store_part(D d, hn::Vec<D> value, T* to, int64_t count) {
  if (HWY_LIKELY(count == static_cast<int64_t>(hn::Lanes(d)))) {
    store_floats(d, value, to);
    return;
  }
  HWY_ALIGN float lanes[hn::MaxLanes(d)];
  hn::Store(value, d, lanes);
  for (int64_t i = 0; i < count; ++i) {
    to[i] = from_float<T>(lanes[i]);
  }
}

}  // namespace vim::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // toggling guard
