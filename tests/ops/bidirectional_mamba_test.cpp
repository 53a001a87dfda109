#include "src/ops/bidirectional_mamba.h"

#include <ATen/ATen.h>

#include "src/ops/linear.h"
#include "src/ops/parameter_gradient.h"
#include "tests/ops/mamba_problem.h"
#include "tests/ops/op_checks.h"
#include "tests/ops/reference_ops.h"
#include "tests/support/catch.h"
#include "tests/support/emulated_ops.h"

namespace vim::ops {
namespace {

// bfloat16 keeps 8 bits (2^-9 per rounding): the stored u, p, delta and the result are rounded, and
// the backward pass rounds ddelta, du and dp once more; sums over tokens average the errors.
constexpr double kBFloat16Output = 1.6e-2;
constexpr double kBFloat16Gradient = 3e-2;

void check_same_bits(const std::vector<at::Tensor>& ours, const std::vector<at::Tensor>& theirs) {
  REQUIRE(ours.size() == theirs.size());
  for (size_t i = 0; i < ours.size(); ++i) {
    CAPTURE(i);
    CHECK(same_bits(ours[i], theirs[i]));
  }
}

void check_lengths(Mode mode, bool has_conv_bias, bool gate_defect = false) {
  for (const int64_t seqlen : {1, 2, 7, 33}) {
    CAPTURE(seqlen);
    Problem problem = make_problem(mode, seqlen, has_conv_bias);
    problem.options.gate_defect = gate_defect;
    check_against(problem, problem, {kOutput, kGradient});
  }
}

TEST_CASE("the core with two directions of their own (v2) equals the double reference") {
  check_lengths(Mode::kV2, true);
  check_lengths(Mode::kV2, false);
}

TEST_CASE("the core with shared projections (v1) equals the double reference") {
  check_lengths(Mode::kV1, true);
  check_lengths(Mode::kV1, false);
}

TEST_CASE("the core with one direction equals the double reference") {
  check_lengths(Mode::kNone, true);
  check_lengths(Mode::kNone, false);
}

TEST_CASE("the gate defect is a constant gate in the second direction of v1") {
  check_lengths(Mode::kV1, true, /*gate_defect=*/true);
}

TEST_CASE("the gate defect changes the gradient of z alone, and no output") {
  const Problem problem = make_problem(Mode::kV1, 7);
  Problem right = with_leaves(problem, leaf);
  Problem defect = with_leaves(problem, leaf);
  defect.options.gate_defect = true;
  const at::Tensor out = run(right);
  const at::Tensor defect_out = run(defect);
  CHECK(same_bits(out, defect_out));
  loss_of(out).backward();
  loss_of(defect_out).backward();
  const auto right_halves = right.xz.grad().chunk(2, 2);
  const auto defect_halves = defect.xz.grad().chunk(2, 2);
  CHECK(same_bits(right_halves[0], defect_halves[0]));
  CHECK_FALSE(same_bits(right_halves[1], defect_halves[1]));
}

TEST_CASE("v2 on flipped tokens with its branches exchanged is v2, flipped") {
  const Problem problem = make_problem(Mode::kV2, 9);
  Problem mirrored = problem;
  mirrored.xz = at::flip(problem.xz, {1});
  std::swap(mirrored.branches[0], mirrored.branches[1]);
  for (Branch& branch : mirrored.branches) {
    branch.conv_reversed = !branch.conv_reversed;
    branch.scan_reversed = !branch.scan_reversed;
  }
  CHECK(relative_error(at::flip(run(mirrored), {1}), run(problem)) < kOutput);
}

TEST_CASE("the core in bfloat16 stays within its rounding of the double reference") {
  for (const Mode mode : {Mode::kNone, Mode::kV1, Mode::kV2}) {
    CAPTURE(static_cast<int>(mode));
    Problem problem = make_problem(mode, 33);
    problem.xz = problem.xz.to(at::kBFloat16);
    Problem values = problem;
    for (Branch& branch : values.branches) {
      branch.x_proj = branch.x_proj.to(at::kBFloat16);
      branch.dt_proj = branch.dt_proj.to(at::kBFloat16);
    }
    check_against(problem, values, {kBFloat16Output, kBFloat16Gradient});
  }
}

TEST_CASE("in bfloat16 the shadows enter the products, and gradients reach the float parameters") {
  Problem cast = with_leaves(make_problem(Mode::kV2, 7), leaf);
  cast.xz = cast.xz.detach().to(at::kBFloat16);
  Problem shadowed = cast;
  for (Branch& branch : shadowed.branches) {
    branch.x_proj_shadow = branch.x_proj.detach().to(at::kBFloat16);
    branch.dt_proj_shadow = branch.dt_proj.detach().to(at::kBFloat16);
  }
  const at::Tensor out = run(shadowed);
  CHECK(out.scalar_type() == at::kBFloat16);
  CHECK(same_bits(out, run(cast)));
  loss_of(out).backward();
  CHECK(shadowed.branches[1].x_proj.grad().scalar_type() == at::kFloat);
  CHECK(shadowed.branches[1].dt_proj.grad().scalar_type() == at::kFloat);
  shadowed.branches[1].x_proj_shadow = shadowed.branches[1].x_proj_shadow * 2;
  CHECK_FALSE(same_bits(run(shadowed), out));
}

TEST_CASE("the core gives the same bits on one thread, on two, and again") {
  for (const Mode mode : {Mode::kV1, Mode::kV2}) {
    CAPTURE(static_cast<int>(mode));
    const Problem problem = make_problem(mode, 64);
    CHECK(is_reproducible([&problem] {
      Problem leaves = with_leaves(problem, leaf);
      const at::Tensor out = run(leaves);
      loss_of(out).backward();
      std::vector<at::Tensor> all = gradients_of(leaves);
      all.push_back(out);
      return all;
    }));
  }
}

std::string error_of(void (*spoil)(Problem&)) {
  Problem problem = make_problem(Mode::kV2, 6);
  spoil(problem);
  return error_text([&problem] { run(problem); });
}

TEST_CASE("bidirectional_mamba names what is wrong with xz") {
  const std::string wanted =
      "bidirectional_mamba: xz must be a contiguous, non-empty (batch, seqlen, 2 d_inner), got ";
  CHECK(contains(error_of([](Problem& p) { p.xz = p.xz[0]; }), wanted + "[6, 24]"));
  CHECK(contains(error_of([](Problem& p) { p.xz = p.xz.narrow(2, 0, 23); }), wanted));
  CHECK(contains(error_of([](Problem& p) { p.xz = p.xz.narrow(1, 0, 0); }), wanted));
  CHECK(contains(error_of([](Problem& p) { p.xz = p.xz.transpose(0, 1); }), wanted));
  CHECK(contains(
      error_of([](Problem& p) {
        p.xz = at::zeros({2, 6, 30}).narrow(2, 3, 24);
      }),
      wanted));
  CHECK(contains(
      error_of([](Problem& p) { p.xz = p.xz.to(at::kDouble); }),
      "expected float, bfloat16 or half, got Double"));
}

TEST_CASE("the core with its out-projection equals core and product, and keeps nothing between") {
  for (const Mode mode : {Mode::kNone, Mode::kV1, Mode::kV2}) {
    CAPTURE(static_cast<int>(mode));
    const at::Tensor weight = random_tensor({7, kInner}, 40);
    Problem fused = with_leaves(make_problem(mode, 7), leaf);
    Problem apart = with_leaves(make_problem(mode, 7), leaf);
    const at::Tensor fused_weight = leaf(weight);
    const at::Tensor apart_weight = leaf(weight);
    fused.options.out_proj.value = fused_weight;
    const at::Tensor out = run(fused);
    const at::Tensor expected = linear(run(apart), {apart_weight, {}, {}}, {});
    CHECK(same_bits(out, expected));
    loss_of(out).backward();
    loss_of(expected).backward();
    CHECK(relative_error(fused_weight.grad(), apart_weight.grad()) < kGradient);
    check_same_bits(gradients_of(fused), gradients_of(apart));
  }
}

void check_overwritten(const Problem& problem) {
  Problem original = problem;
  original.options.out_proj.value = random_tensor({7, kInner}, 40);
  Problem overwritten = original;
  overwritten.xz = original.xz.clone();
  overwritten.options.overwrites_xz = true;
  CHECK(same_bits(run(with_leaves(overwritten, leaf)), run(with_leaves(original, leaf))));
  CHECK(same_bits(overwritten.xz, original.xz));  // with gradients it is needed again
  const at::NoGradGuard no_grad;
  CHECK(same_bits(run(overwritten), run(original)));
  const at::Tensor z = original.xz.narrow(2, kInner, kInner);
  CHECK(same_bits(overwritten.xz.narrow(2, kInner, kInner), z));
  original.options.out_proj.value = at::Tensor();
  CHECK(same_bits(overwritten.xz.narrow(2, 0, kInner), run(original)));
}

TEST_CASE("without gradients the gated sum may take the place of x, with the same result") {
  for (const Mode mode : {Mode::kNone, Mode::kV1, Mode::kV2}) {
    CAPTURE(static_cast<int>(mode));
    check_overwritten(make_problem(mode, 7));
    const test::EmulatedOps emulated;
    check_overwritten(make_problem(mode, 7));
  }
}

TEST_CASE("the core writes its gradients in place, equal to those that autograd adds") {
  for (const Mode mode : {Mode::kNone, Mode::kV1, Mode::kV2}) {
    CAPTURE(static_cast<int>(mode));
    Problem returned = with_leaves(make_problem(mode, 7), leaf);
    Problem written = with_leaves(make_problem(mode, 7), leaf);
    for (Branch& branch : written.branches) {
      for (at::Tensor* parameter : parameters_of(branch)) {
        parameter->mutable_grad() = at::zeros_like(*parameter);
      }
    }
    written.options.gradient_mode = make_gradient_mode(GradientMode::kWrite);
    loss_of(run(returned)).backward();
    loss_of(run(written)).backward();
    check_same_bits(gradients_of(written), gradients_of(returned));
  }
}

std::vector<at::Tensor> gradients_keeping(const Problem& problem, bool keeps) {
  Problem leaves = with_leaves(problem, leaf);
  leaves.options.keeps_activations = keeps;
  loss_of(run(leaves)).backward();
  return gradients_of(leaves);
}

TEST_CASE("what is kept for the backward has the bits of what it would compute again") {
  for (const Mode mode : {Mode::kNone, Mode::kV1, Mode::kV2}) {
    CAPTURE(static_cast<int>(mode));
    const Problem problem = make_problem(mode, 7);
    check_same_bits(gradients_keeping(problem, true), gradients_keeping(problem, false));
  }
}

TEST_CASE("the emulated kernels keep states, rounded to 16 bits, where rows are many") {
  Problem problem = make_problem(Mode::kV2, 9, true, {350, 16, 16});
  problem.xz = problem.xz.to(at::kBFloat16);
  const test::EmulatedOps emulated;
  const auto kept = gradients_keeping(problem, true);
  const auto computed = gradients_keeping(problem, false);
  bool is_rounded = false;
  for (size_t i = 0; i < kept.size(); ++i) {
    CAPTURE(i);
    CHECK(relative_error(kept[i], computed[i]) < kBFloat16Gradient);
    is_rounded = is_rounded || !same_bits(kept[i], computed[i]);
  }
  CHECK(is_rounded);
}

// Columns of the projections that a convolution's forward was last asked for.
int64_t columns_asked_for = 0;

TEST_CASE("the convolution's kernel makes the small projection where it serves the sizes") {
  kernels::DeviceEntries entries = kernels::emulated::entries();
  entries.causal_conv1d_forward = [](const kernels::ConvParams& params, void* stream) {
    columns_asked_for = params.columns;
    kernels::emulated::entries().causal_conv1d_forward(params, stream);
  };
  for (const Mode mode : {Mode::kNone, Mode::kV1, Mode::kV2}) {
    for (const int64_t rank : {12, 24}) {
      CAPTURE(static_cast<int>(mode), rank);
      Problem problem = make_problem(mode, 9, true, {2, 384, 16, rank});
      problem.xz = problem.xz.to(at::kBFloat16);
      const at::Tensor expected = run(problem);
      const test::EmulatedOps emulated;
      override_device_entries(&entries);
      CHECK(relative_error(run(problem), expected) < kBFloat16Output);
      CHECK(columns_asked_for == (rank == 12 ? 48 : 0));
    }
  }
}

// dt's 12 columns are filled up to 16 there, as in Vim-tiny; 24 need nothing, as in Vim-small.
TEST_CASE("the emulated kernels' products of the backward agree with matrix products") {
  for (const Mode mode : {Mode::kNone, Mode::kV1, Mode::kV2}) {
    for (const int64_t rank : {12, 24}) {
      CAPTURE(static_cast<int>(mode), rank);
      Problem problem = make_problem(mode, 9, true, {3, 64, 16, rank});
      problem.xz = problem.xz.to(at::kBFloat16);
      const auto expected = gradients_keeping(problem, false);
      const test::EmulatedOps emulated;
      const auto actual = gradients_keeping(problem, false);
      for (size_t i = 0; i < expected.size(); ++i) {
        CAPTURE(i);
        CHECK(relative_error(actual[i], expected[i]) < kBFloat16Gradient);
      }
    }
  }
}

TEST_CASE("directions whose parameters lie in one buffer, as in a store, give the same bits") {
  Problem apart = make_problem(Mode::kV2, 7);
  Problem stored = apart;
  for (const auto member : {&Branch::x_proj, &Branch::dt_proj, &Branch::A_log}) {
    const at::Tensor& first = apart.branches[0].*member;
    const int64_t gap = first.numel() + 64;
    const at::Tensor buffer = at::zeros({2 * gap});
    for (int64_t i = 0; i < 2; ++i) {
      const at::Tensor place = buffer.narrow(0, i * gap, first.numel()).view(first.sizes());
      place.copy_(apart.branches[static_cast<size_t>(i)].*member);
      stored.branches[static_cast<size_t>(i)].*member = place;
    }
  }
  CHECK(same_bits(run(stored), run(apart)));
}

TEST_CASE("bidirectional_mamba names what is wrong with the branches") {
  CHECK(contains(error_of([](Problem& p) { p.branches.clear(); }), "one or two branches"));
  CHECK(contains(error_of([](Problem& p) { p.branches.push_back(p.branches[0]); }), "got 3"));
  CHECK(contains(
      error_of([](Problem& p) { p.branches[0].shares_projections = true; }),
      "the first with projections of its own"));
  CHECK(contains(
      error_of([](Problem& p) {
        p.branches[0].conv_weight = at::zeros({11, 1, 4});
      }),
      "bidirectional_mamba: conv weight must be [12, 1, 4], got [11, 1, 4]"));
  CHECK(contains(
      error_of([](Problem& p) { p.branches[1].conv_bias = at::zeros({5}); }),
      "bidirectional_mamba: conv bias must be [12], got [5]"));
  CHECK(contains(
      error_of([](Problem& p) {
        p.branches[1].x_proj = at::zeros({14, 12});
      }),
      "bidirectional_mamba: x_proj must be [13, 12], got [14, 12]"));
  CHECK(contains(
      error_of([](Problem& p) {
        p.branches[1].dt_proj = at::zeros({3, 12}).t();
      }),
      "bidirectional_mamba: dt_proj must have channel stride 1"));
  CHECK(contains(
      error_of([](Problem& p) { p.branches[0].dt_bias = at::zeros({1}); }),
      "bidirectional_mamba: dt_bias must be [12], got [1]"));
  CHECK(contains(
      error_of([](Problem& p) {
        p.branches[1].A_log = at::zeros({12, 6});
      }),
      "bidirectional_mamba: A_log must be [12, 5], got [12, 6]"));
  CHECK(contains(
      error_of([](Problem& p) { p.branches[0].D = p.branches[0].D.to(at::kHalf); }),
      "bidirectional_mamba: D must be Float, got Half"));
  CHECK(contains(
      error_of([](Problem& p) {
        p.branches[0].x_proj_shadow = at::zeros({12, 13});
      }),
      "bidirectional_mamba: the shadow of x_proj must be [13, 12], got [12, 13]"));
}

}  // namespace
}  // namespace vim::ops
