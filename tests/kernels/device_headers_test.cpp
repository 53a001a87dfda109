// kernels/cuda/numeric.cuh and matrix.cuh against kernels/storage.h, <cmath> in double and a plain
// matrix product: the device forms on the GPU (VIM_TEST_CUDA), their host twins emulated.
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>

#include "kernels/storage.h"
#include "tests/kernels/kernel_buffers.h"
#include "tests/kernels/probe_kernels.h"
#include "tests/support/catch.h"
#include "tests/support/kernel_device.h"

namespace vim::tests {
namespace {

using kernels::DType;

struct Probed {
  const KernelDevice* device;
  const ProbeEntries& probes;
};

Probed probed_device() {
#ifdef VIM_TEST_CUDA
  return {cuda_device(), cuda::probes()};
#else
  return {&emulated_device(), emulated::probes()};
#endif
}

constexpr int kPacks[] = {1, 2, 4, 8};

// All 2^16 patterns of a 16-bit type.
template <typename T>
std::vector<T> all_patterns() {
  std::vector<T> patterns(1 << 16);
  for (size_t i = 0; i < patterns.size(); ++i) {
    patterns[i].bits = static_cast<uint16_t>(i);
  }
  return patterns;
}

bool is_same_float(float a, float b) {
  return (std::isnan(a) && std::isnan(b)) || kernels::float_bits(a) == kernels::float_bits(b);
}

template <typename T>
int count_load_differences(const Probed& on, DType dtype, int pack) {
  const std::vector<T> from = all_patterns<T>();
  std::vector<float> to(from.size());
  DeviceArena arena(*on.device);
  on.probes.load(dtype, pack, arena.upload(from), arena.upload(to), std::ssize(to));
  arena.download_all();
  int differences = 0;
  for (size_t i = 0; i < from.size(); ++i) {
    differences += is_same_float(to[i], kernels::to_float(from[i])) ? 0 : 1;
  }
  return differences;
}

TEST_CASE("packs load every 16-bit pattern as storage.h does", "[device_headers]") {
  const Probed on = probed_device();
  if (on.device == nullptr) return;
  for (const int pack : kPacks) {
    INFO(on.probes.name << ", pack " << pack);
    CHECK(count_load_differences<kernels::BFloat16>(on, DType::kBFloat16, pack) == 0);
    CHECK(count_load_differences<kernels::Float16>(on, DType::kFloat16, pack) == 0);
  }
}

// Every value of the type, its neighbours as float, and the points half-way to the next, where
// rounding turns.
template <typename T>
std::vector<float> rounding_points() {
  std::vector<float> points;
  const float infinity = std::numeric_limits<float>::infinity();
  for (const T pattern : all_patterns<T>()) {
    const float value = kernels::to_float(pattern);
    const float next = kernels::to_float(T{static_cast<uint16_t>(pattern.bits + 1)});
    const float half_way = value + (next - value) / 2.0F;
    for (const float point : {value, half_way}) {
      points.push_back(point);
      points.push_back(std::nextafter(point, infinity));
      points.push_back(std::nextafter(point, -infinity));
      points.push_back(point * 1.0001F);
    }
  }
  return points;
}

template <typename T>
int count_store_differences(const Probed& on, DType dtype, int pack) {
  const std::vector<float> from = rounding_points<T>();
  std::vector<T> to(from.size());
  DeviceArena arena(*on.device);
  on.probes.store(dtype, pack, arena.upload(from), arena.upload(to), std::ssize(to));
  arena.download_all();
  int differences = 0;
  for (size_t i = 0; i < from.size(); ++i) {
    const bool is_same = std::isnan(from[i]) ? std::isnan(kernels::to_float(to[i]))
                                             : to[i].bits == kernels::from_float<T>(from[i]).bits;
    differences += is_same ? 0 : 1;
  }
  return differences;
}

TEST_CASE("packs store what storage.h rounds to, at every turning point", "[device_headers]") {
  const Probed on = probed_device();
  if (on.device == nullptr) return;
  for (const int pack : kPacks) {
    INFO(on.probes.name << ", pack " << pack);
    CHECK(count_store_differences<kernels::BFloat16>(on, DType::kBFloat16, pack) == 0);
    CHECK(count_store_differences<kernels::Float16>(on, DType::kFloat16, pack) == 0);
  }
}

TEST_CASE("packs of floats keep every bit", "[device_headers]") {
  const Probed on = probed_device();
  if (on.device == nullptr) return;
  const std::vector<float> from = rounding_points<kernels::BFloat16>();
  for (const int pack : kPacks) {
    std::vector<float> to(from.size());
    DeviceArena arena(*on.device);
    on.probes.load(DType::kFloat32, pack, arena.upload(from), arena.upload(to), std::ssize(to));
    arena.download_all();
    CHECK(std::memcmp(to.data(), from.data(), from.size() * sizeof(float)) == 0);
  }
}

std::vector<float> apply(const Probed& on, Unary function, const std::vector<float>& x) {
  std::vector<float> y(x.size());
  DeviceArena arena(*on.device);
  on.probes.unary(function, arena.upload(x), arena.upload(y), std::ssize(y));
  arena.download_all();
  return y;
}

// Largest |y - exact| / limit(x, exact); at most 1 where the bound in numeric.cuh holds.
double error_over_limit(
    const std::vector<float>& x,
    const std::vector<float>& y,
    double (*exact)(double),
    double (*limit)(double x, double exact)) {
  double largest = 0.0;
  for (size_t i = 0; i < x.size(); ++i) {
    const double expected = exact(x[i]);
    const double error = std::abs(y[i] - expected) / limit(x[i], expected);
    largest =
        std::isnan(error) ? std::numeric_limits<double>::infinity() : std::max(largest, error);
  }
  return largest;
}

std::vector<float> floats_between(float low, float high) {
  std::vector<float> x(1 << 16);
  for (size_t i = 0; i < x.size(); ++i) {
    x[i] = low + (high - low) * static_cast<float>(i) / static_cast<float>(x.size() - 1);
  }
  return x;
}

TEST_CASE("fast functions stay within their stated errors", "[device_headers]") {
  const Probed on = probed_device();
  if (on.device == nullptr) return;
  INFO(on.probes.name);
  std::vector<float> x = floats_between(-125.0F, 127.0F);
  CHECK(
      error_over_limit(
          x,
          apply(on, Unary::kExp2, x),
          [](double v) { return std::exp2(v); },
          [](double, double y) { return std::abs(y) * 0x1p-22; }) <= 1.0);
  x = floats_between(-86.0F, 87.0F);
  CHECK(
      error_over_limit(
          x,
          apply(on, Unary::kExp, x),
          [](double v) { return std::exp(v); },
          [](double v, double y) { return y * (0x1p-22 + std::abs(v) * 0x1p-23); }) <= 1.0);
  x = floats_between(0x1p-10F, 4.0F);
  CHECK(
      error_over_limit(
          x,
          apply(on, Unary::kLog2, x),
          [](double v) { return std::log2(v); },
          [](double v, double y) {
            return v > 0.5 && v < 2.0 ? 0x1p-22 : std::abs(y) * 0x1p-22;
          }) <= 1.0);
  x = floats_between(0x1p-20F, 1000.0F);
  CHECK(
      error_over_limit(
          x,
          apply(on, Unary::kReciprocal, x),
          [](double v) { return 1.0 / v; },
          [](double, double y) { return y * 0x1p-23; }) <= 1.0);
}

TEST_CASE("fast functions at their ends", "[device_headers]") {
  const Probed on = probed_device();
  if (on.device == nullptr) return;
  const float infinity = std::numeric_limits<float>::infinity();
  CHECK(
      apply(on, Unary::kExp2, {-200.0F, -infinity, 0.0F, 128.0F}) ==
      std::vector<float>{0.0F, 0.0F, 1.0F, infinity});
  CHECK(
      apply(on, Unary::kExp, {-infinity, 0.0F, 89.0F}) == std::vector<float>{0.0F, 1.0F, infinity});
  CHECK(apply(on, Unary::kLog2, {0.0F, infinity}) == std::vector<float>{-infinity, infinity});
  CHECK(apply(on, Unary::kReciprocal, {infinity, 0.0F}) == std::vector<float>{0.0F, infinity});
}

TEST_CASE("tf32 rounding keeps ten mantissa bits, ties away from 0", "[device_headers]") {
  const Probed on = probed_device();
  if (on.device == nullptr) return;
  const float unit = 0x1p-10F;
  CHECK(
      apply(
          on, Unary::kToTf32, {1.0F + unit, 1.0F + unit / 2, -1.0F - unit / 2, 1.0F + unit / 4}) ==
      std::vector<float>{1.0F + unit, 1.0F + unit, -1.0F - unit, 1.0F});
}

// d + a b in double, row by row.
Values plain_product(const Values& a, const Values& b, const Values& d, int depth) {
  Values sum = d;
  for (int row = 0; row < 16; ++row) {
    for (int column = 0; column < 8; ++column) {
      for (int k = 0; k < depth; ++k) {
        sum[row * 8 + column] += a[row * depth + k] * b[k * 8 + column];
      }
    }
  }
  return sum;
}

// Small integers are exact in both types, so every element must be right to the bit.
Values integers(int64_t count, uint64_t seed) {
  Values values = random_values(count, seed, 9.0);
  for (double& value : values) {
    value = std::nearbyint(value);
  }
  return values;
}

TEST_CASE("mma fragments multiply as a plain matrix product does", "[device_headers]") {
  const Probed on = probed_device();
  if (on.device == nullptr) return;
  for (const int depth : {8, 16}) {
    INFO(on.probes.name << ", depth " << depth);
    const Values a = integers(16 * depth, 1);
    const Values b = integers(depth * 8, 2);
    const Values d = integers(16 * 8, 3);
    const std::vector<float> a_host = to_floats(a);
    const std::vector<float> b_host = to_floats(b);
    std::vector<float> d_host = to_floats(d);
    DeviceArena arena(*on.device);
    const auto multiply = depth == 8 ? on.probes.mma_tf32 : on.probes.mma_bf16;
    multiply(arena.upload(a_host), arena.upload(b_host), arena.upload(d_host));
    arena.download_all();
    CHECK(from_floats(d_host) == plain_product(a, b, d, depth));
  }
}

TEST_CASE("matrices are loaded as PTX lays fragments out", "[device_headers]") {
  const Probed on = probed_device();
  if (on.device == nullptr) return;
  std::vector<uint16_t> matrices(4 * 64);
  for (size_t i = 0; i < matrices.size(); ++i) {
    matrices[i] = static_cast<uint16_t>(i);  // row r, column c of matrix m: 64 m + 8 r + c
  }
  for (const bool transposed : {false, true}) {
    INFO(on.probes.name << (transposed ? ", transposed" : ""));
    std::vector<uint32_t> words(32 * 4);
    DeviceArena arena(*on.device);
    on.probes.load_matrices(transposed, arena.upload(matrices), arena.upload(words));
    arena.download_all();
    for (uint32_t lane = 0; lane < 32; ++lane) {
      const uint32_t group = lane / 4;
      const uint32_t first = lane % 4 * 2;
      const uint32_t low = transposed ? 8 * first + group : 8 * group + first;
      const uint32_t high = low + (transposed ? 8 : 1);
      for (uint32_t i = 0; i < 4; ++i) {
        CHECK(words[4 * lane + i] == (64 * i + low | (64 * i + high) << 16));
      }
    }
  }
}

}  // namespace
}  // namespace vim::tests
