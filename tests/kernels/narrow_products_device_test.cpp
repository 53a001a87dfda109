// The narrow products' entries against the definition in double, on the GPU (VIM_TEST_CUDA) or
// emulated.
#include <cmath>
#include <stdexcept>

#include "tests/emulation/emulation.h"
#include "tests/kernels/device_tokens.h"
#include "tests/kernels/narrow_products_problem.h"
#include "tests/support/catch.h"
#include "tests/support/kernel_device.h"

namespace vim::tests {
namespace {

using kernels::DType;
using kernels::NarrowProductsParams;

// Of the sum of the products' magnitudes. Products are exact in float; a sum is rounded, on a GPU
// possibly downwards, by at most 2^-23 for each step of 16 rows or channels and for each piece.
constexpr double kFloatLimit = 1e-5;

// Runs both launches; the results land in the run's host buffers.
void run_on(const KernelDevice& device, NarrowRun& run) {
  DeviceArena arena(device);
  NarrowProductsParams params = run.params;
  for (int i = 0; i < params.num_directions; ++i) {
    kernels::NarrowProductsDirection& direction = params.direction[i];
    direction.wide.data = upload(arena, run.wide[i]);
    direction.narrow.data = upload(arena, run.narrow[i]);
    direction.weight = run.test.has_weight ? upload(arena, run.weight[i]) : nullptr;
    direction.out.data = upload(arena, run.out[i], true);
    direction.sums = arena.upload(run.sums[i]);
  }
  REQUIRE(device.entries.narrow_products_fit(params));
  params.workspace = arena.workspace(device.entries.narrow_products_workspace_size(params));
  device.entries.narrow_products(params, nullptr);
  device.entries.narrow_products_reduce(params, nullptr);
  arena.download_all();
}

void check_case(const KernelDevice& device, const NarrowCase& test) {
  INFO(device.name << ": " << test.name << ", dtype " << static_cast<int>(test.dtype));
  NarrowRun run(test);
  const TokenArray untouched = run.out[0];
  run_on(device, run);
  for (int i = 0; i < test.num_directions; ++i) {
    const NarrowInputs in = make_narrow_inputs(test, i);
    CHECK(narrow_error(run.sums_of(i), narrow_sums_oracle(test, in)) < kFloatLimit);
    CHECK(run.guards_untouched(i));
    if (!test.has_weight) {
      CHECK(run.out[i].words() == untouched.words());
      continue;
    }
    const double error =
        narrow_error(run.out[i].get(), narrow_out_oracle(test, in), rounding_error(test.dtype));
    CHECK(error < kFloatLimit);
    CHECK(run.out[i].gaps_untouched());
  }
}

void check_same_bits(const NarrowRun& first, const NarrowRun& second) {
  for (int i = 0; i < first.test.num_directions; ++i) {
    CHECK(first.out[i].words() == second.out[i].words());
    CHECK(first.sums[i] == second.sums[i]);
  }
}

// NaN in one place reaches the sums and the row of out that depend on it and nothing else.
void check_nan(const KernelDevice& device) {
  const NarrowCase test{"nan", 40, 96, 16, true};
  NarrowRun run(test);
  Values wide = run.wide[0].get();
  wide[17 * 96 + 50] = NAN;
  run.wide[0].set(wide);
  run_on(device, run);
  const Values sums = run.sums_of(0);
  const Values out = run.out[0].get();
  for (size_t i = 0; i < sums.size(); ++i) CHECK(std::isnan(sums[i]) == (i / 16 == 50));
  for (size_t i = 0; i < out.size(); ++i) CHECK(std::isnan(out[i]) == (i / 16 == 17));
}

#ifdef VIM_TEST_CUDA
TEST_CASE("narrow_products on the GPU agree with the definition in double", "[narrow][gpu]") {
  const KernelDevice* device = cuda_device();
  if (device == nullptr) return;
  for (const NarrowCase& test : narrow_cases()) {
    check_case(*device, test);
  }
  check_nan(*device);
}

TEST_CASE("narrow_products on the GPU hold at a whole batch of Vim-tiny", "[narrow][gpu]") {
  const KernelDevice* device = cuda_device();
  if (device == nullptr) return;
  const auto dtype = DType::kBFloat16;
  check_case(*device, {"batch_dt", 128 * 197, 384, 16, true, 12, 16, false, 2, dtype, 0});
  check_case(*device, {"batch_x", 128 * 197, 384, 48, false, 12, 16, true, 2, dtype, 0});
}

TEST_CASE("narrow_products on the GPU give the same bits every time", "[narrow][gpu]") {
  const KernelDevice* device = cuda_device();
  if (device == nullptr) return;
  for (const NarrowCase& test : narrow_cases()) {
    INFO(test.name);
    NarrowRun first(test);
    NarrowRun second(test);
    run_on(*device, first);
    run_on(*device, second);
    check_same_bits(first, second);
  }
}
#else
TEST_CASE("emulated narrow_products agree with the definition in double", "[narrow][emulated]") {
  for (const NarrowCase& test : narrow_cases()) {
    check_case(emulated_device(), test);
  }
  check_nan(emulated_device());
}

TEST_CASE("emulated narrow_products give the same bits in every order", "[narrow][emulated]") {
  for (const NarrowCase& test : narrow_cases()) {
    INFO(test.name);
    NarrowRun first(test);
    emulation::set_seed(1);
    run_on(emulated_device(), first);
    for (uint64_t seed : {2, 3}) {
      NarrowRun other(test);
      emulation::set_seed(seed);
      run_on(emulated_device(), other);
      check_same_bits(first, other);
    }
  }
}

// Host memory aligned as the device's, so that a refusal has the cause that the test names.
struct RefusalCase {
  alignas(16) unsigned char memory[16] = {};
  NarrowProductsParams params;

  RefusalCase() {
    params.rows = 100;
    params.channels = 96;
    params.columns = 24;
    params.num_directions = 2;
    params.workspace = memory;
    for (kernels::NarrowProductsDirection& direction : params.direction) {
      direction.wide = {memory, 96};
      direction.narrow = {memory, 24};
      direction.weight = memory;
      direction.out = {memory, 24};
      direction.sums = reinterpret_cast<float*>(memory);
    }
  }

  bool fits() const { return emulated_device().entries.narrow_products_fit(params); }
};

/// Whether the case still fits after `change`.
template <typename Change>
bool fits_after(Change change) {
  RefusalCase refusal;
  change(refusal.params);
  return refusal.fits();
}

TEST_CASE("narrow_products_fit knows the sizes and types it serves", "[narrow][emulated]") {
  using Params = NarrowProductsParams;
  CHECK(fits_after([](Params&) {}));
  CHECK(fits_after([](Params& params) { params.channels = 768; }));
  CHECK(fits_after([](Params& params) { params.dtype = DType::kFloat16; }));
  CHECK_FALSE(fits_after([](Params& params) { params.dtype = DType::kFloat32; }));
  CHECK_FALSE(fits_after([](Params& params) { params.channels = 800; }));
  CHECK_FALSE(fits_after([](Params& params) { params.channels = 112; }));
  CHECK_FALSE(fits_after([](Params& params) { params.channels = 0; }));
  CHECK_FALSE(fits_after([](Params& params) { params.num_directions = 3; }));
  CHECK_FALSE(fits_after([](Params& params) { params.num_directions = 0; }));
  for (int64_t columns = 0; columns <= 64; columns += 4) {
    const bool is_small = columns == 16 || columns == 24;
    CHECK(fits_after([&](Params& params) { params.columns = columns; }) == is_small);
    const bool fits = fits_after([&](Params& params) {
      params.columns = columns;
      for (auto& direction : params.direction) direction.weight = nullptr;
    });
    CHECK(fits == (is_small || columns == 48 || columns == 56));
  }
}

TEST_CASE("narrow_products_fit asks for whole 16 bytes everywhere", "[narrow][emulated]") {
  using Direction = kernels::NarrowProductsDirection;
  const auto fits = [](auto change) {
    return fits_after([&](NarrowProductsParams& params) { change(params.direction[1]); });
  };
  const auto past = [](auto& pointer) {
    const void* moved = reinterpret_cast<const char*>(pointer) + 8;
    pointer = static_cast<std::decay_t<decltype(pointer)>>(const_cast<void*>(moved));
  };
  CHECK(fits([](Direction& direction) { direction.wide.row_stride = 104; }));
  CHECK_FALSE(fits([](Direction& direction) { direction.wide.row_stride = 100; }));
  CHECK_FALSE(fits([](Direction& direction) { direction.narrow.row_stride = 25; }));
  CHECK_FALSE(fits([](Direction& direction) { direction.out.row_stride = 28; }));
  CHECK_FALSE(fits([](Direction& direction) { direction.wide.row_stride = -96; }));
  CHECK_FALSE(fits([&](Direction& direction) { past(direction.wide.data); }));
  CHECK_FALSE(fits([&](Direction& direction) { past(direction.narrow.data); }));
  CHECK_FALSE(fits([&](Direction& direction) { past(direction.weight); }));
  CHECK_FALSE(fits([&](Direction& direction) { past(direction.out.data); }));
  CHECK_FALSE(fits([&](Direction& direction) { past(direction.sums); }));
}

/// Whether all entries that launch refuse the case after `change`.
template <typename Change>
bool is_refused_after(Change change) {
  RefusalCase refusal;
  change(refusal.params);
  int num_refusals = 0;
  const auto& entries = emulated_device().entries;
  for (const auto& entry : {entries.narrow_products, entries.narrow_products_reduce}) {
    try {
      entry(refusal.params, nullptr);
    } catch (const std::invalid_argument&) {
      ++num_refusals;
    }
  }
  return num_refusals == 2;
}

TEST_CASE("narrow_products refuse impossible parameters", "[narrow][emulated]") {
  using Params = NarrowProductsParams;
  CHECK(is_refused_after([](Params& params) { params.rows = 0; }));
  CHECK(is_refused_after([](Params& params) { params.rows = int64_t{1} << 40; }));
  CHECK(is_refused_after([](Params& params) { params.columns = 48; }));
  CHECK(is_refused_after([](Params& params) { params.dtype = DType::kFloat32; }));
  CHECK(is_refused_after([](Params& params) { params.workspace = nullptr; }));
  CHECK(is_refused_after([](Params& params) { params.gap_end = 24; }));
  CHECK(is_refused_after([](Params& params) { params.gap_end = 25; }));
  CHECK(is_refused_after([](Params& params) { params.gap_begin = 1; }));
  CHECK(is_refused_after([](Params& params) { params.direction[0].wide.data = nullptr; }));
  CHECK(is_refused_after([](Params& params) { params.direction[1].narrow.data = nullptr; }));
  CHECK(is_refused_after([](Params& params) { params.direction[1].out.data = nullptr; }));
  CHECK(is_refused_after([](Params& params) { params.direction[1].out.row_stride = 16; }));
  CHECK(is_refused_after([](Params& params) { params.direction[1].weight = nullptr; }));
  CHECK(is_refused_after([](Params& params) { params.direction[0].sums = nullptr; }));
  RefusalCase refusal;
  refusal.params.rows = 0;
  const auto& entries = emulated_device().entries;
  CHECK_THROWS_AS(entries.narrow_products_workspace_size(refusal.params), std::invalid_argument);
}
#endif

}  // namespace
}  // namespace vim::tests
