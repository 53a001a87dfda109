// The op alone; the kernels' own parity tests stand in tests/kernels.
#include "src/ops/selective_scan.h"

#include <ATen/ATen.h>

#include "tests/ops/op_checks.h"
#include "tests/ops/reference_ops.h"
#include "tests/support/catch.h"

namespace vim::ops {
namespace {

constexpr double kFloat = 1e-5;  // a chain of 33 tokens times 5 states, each rounded to 6e-8

SelectiveScanInputs make_inputs(int64_t seqlen) {
  SelectiveScanInputs inputs;
  inputs.u = random_tensor({2, seqlen, 11}, 1);
  inputs.delta = random_tensor({2, seqlen, 11}, 2);
  inputs.A = -at::exp(random_tensor({11, 5}, 3));
  inputs.B = random_tensor({2, seqlen, 5}, 4);
  inputs.C = random_tensor({2, seqlen, 5}, 5);
  inputs.D = random_tensor({11}, 6);
  inputs.z = random_tensor({2, seqlen, 11}, 7);
  inputs.delta_bias = random_tensor({11}, 8);
  return inputs;
}

std::vector<at::Tensor*> tensors_of(SelectiveScanInputs& inputs) {
  return {
      &inputs.u,
      &inputs.delta,
      &inputs.A,
      &inputs.B,
      &inputs.C,
      &inputs.D,
      &inputs.z,
      &inputs.delta_bias};
}

SelectiveScanInputs with_leaves(
    SelectiveScanInputs inputs, at::Tensor (*make_leaf)(const at::Tensor&)) {
  for (at::Tensor* tensor : tensors_of(inputs)) {
    *tensor = make_leaf(*tensor);
  }
  return inputs;
}

at::Tensor loss_of(const at::Tensor& out) { return (out * random_tensor(out.sizes(), 9)).sum(); }

void check_against_reference(const SelectiveScanInputs& inputs) {
  SelectiveScanInputs leaves = with_leaves(inputs, leaf);
  SelectiveScanInputs expected = with_leaves(inputs, leaf_in_double);
  const at::Tensor out = selective_scan(leaves).out;
  const at::Tensor wanted = reference_scan(expected);
  CHECK(relative_error(out, wanted) < kFloat);
  loss_of(out).backward();
  loss_of(wanted).backward();
  const auto ours = tensors_of(leaves);
  const auto theirs = tensors_of(expected);
  for (size_t i = 0; i < ours.size(); ++i) {
    CAPTURE(i);
    if (ours[i]->defined()) {
      CHECK(relative_error(ours[i]->grad(), theirs[i]->grad()) < kFloat);
    }
  }
}

TEST_CASE("selective_scan equals the double reference in both directions") {
  for (const int64_t seqlen : {1, 2, 7, 33}) {
    for (const bool reversed : {false, true}) {
      CAPTURE(seqlen, reversed);
      SelectiveScanInputs inputs = make_inputs(seqlen);
      inputs.reversed = reversed;
      check_against_reference(inputs);
      inputs.D = inputs.z = inputs.delta_bias = at::Tensor();
      check_against_reference(inputs);
    }
  }
}

TEST_CASE("selective_scan on strided views gives the bits of their copies") {
  const SelectiveScanInputs plain = make_inputs(9);
  SelectiveScanInputs strided = plain;
  const at::Tensor wide =
      at::cat({plain.u, plain.delta, plain.B, plain.C, plain.z}, 2).contiguous();
  strided.u = wide.narrow(2, 0, 11);
  strided.delta = wide.narrow(2, 11, 11);
  strided.B = wide.narrow(2, 22, 5);
  strided.C = wide.narrow(2, 27, 5);
  strided.z = wide.narrow(2, 32, 11);
  CHECK(same_bits(selective_scan(strided).out, selective_scan(plain).out));
}

TEST_CASE("the last state takes part in no gradient") {
  const auto result = selective_scan(with_leaves(make_inputs(3), leaf));
  CHECK(result.out.requires_grad());
  CHECK_FALSE(result.last_state.requires_grad());
}

TEST_CASE("selective_scan gives the same bits on one thread, on two, and again") {
  const SelectiveScanInputs inputs = make_inputs(64);
  CHECK(is_reproducible([&inputs] {
    SelectiveScanInputs leaves = with_leaves(inputs, leaf);
    const auto result = selective_scan(leaves);
    loss_of(result.out).backward();
    std::vector<at::Tensor> all = {result.out, result.last_state};
    for (const at::Tensor* tensor : tensors_of(leaves)) {
      all.push_back(tensor->grad());
    }
    return all;
  }));
}

std::string error_of(void (*spoil)(SelectiveScanInputs&)) {
  SelectiveScanInputs inputs = make_inputs(6);
  spoil(inputs);
  return error_text([&inputs] { selective_scan(inputs); });
}

TEST_CASE("selective_scan names the argument that does not fit") {
  using Inputs = SelectiveScanInputs;
  CHECK(contains(
      error_of([](Inputs& i) { i.u = i.u[0]; }),
      "selective_scan: u must be a non-empty (batch, seqlen, d_inner)"));
  CHECK(contains(
      error_of([](Inputs& i) { i.delta = i.delta.narrow(1, 0, 5); }),
      "selective_scan: delta must be [2, 6, 11], got [2, 5, 11]"));
  CHECK(contains(
      error_of([](Inputs& i) { i.delta = i.delta.to(at::kBFloat16); }),
      "selective_scan: delta must be Float, got BFloat16"));
  CHECK(contains(
      error_of([](Inputs& i) {
        i.A = at::zeros({11, 257});
      }),
      "selective_scan: A must be (d_inner, d_state) with d_state 1 to 256"));
  CHECK(contains(
      error_of([](Inputs& i) { i.A = i.A.t(); }),
      "selective_scan: B must be (batch, seqlen, groups * d_state)"));
  CHECK(contains(
      error_of([](Inputs& i) {
        i.A = at::zeros({5, 11}).t();
      }),
      "selective_scan: A must have channel stride 1, got strides [1, 11]"));
  CHECK(contains(
      error_of([](Inputs& i) {
        i.B = at::zeros({2, 6, 10});
      }),
      "groups dividing d_inner = 11"));
  CHECK(contains(
      error_of([](Inputs& i) {
        i.C = at::zeros({2, 6, 4});
      }),
      "selective_scan: C must be [2, 6, 5], got [2, 6, 4]"));
  CHECK(contains(
      error_of([](Inputs& i) { i.D = at::zeros({5}); }),
      "selective_scan: D must be [11], got [5]"));
  CHECK(contains(
      error_of([](Inputs& i) { i.z = i.z.transpose(1, 2).contiguous().transpose(1, 2); }),
      "selective_scan: z must have channel stride 1"));
  CHECK(contains(
      error_of([](Inputs& i) { i.delta_bias = i.delta_bias.to(at::kDouble); }),
      "selective_scan: delta_bias must be Float, got Double"));
}

}  // namespace
}  // namespace vim::ops
