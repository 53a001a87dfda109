#include "src/ops/token_sequence.h"

#include <ATen/ATen.h>

#include "tests/ops/op_checks.h"
#include "tests/support/catch.h"

namespace vim::ops {
namespace {

// The same from LibTorch's ops: the tokens before, between and behind the class tokens.
at::Tensor reference(
    const at::Tensor& patches,
    const std::vector<ClsToken>& cls_tokens,
    const at::Tensor& pos_embed) {
  std::vector<at::Tensor> runs;
  int64_t taken = 0;
  for (size_t i = 0; i < cls_tokens.size(); ++i) {
    const int64_t until = cls_tokens[i].slot - static_cast<int64_t>(i);
    runs.push_back(patches.narrow(1, taken, until - taken).to(at::kFloat));
    runs.push_back(cls_tokens[i].value.expand({patches.size(0), -1, -1}));
    taken = until;
  }
  runs.push_back(patches.narrow(1, taken, patches.size(1) - taken).to(at::kFloat));
  const at::Tensor tokens = at::cat(runs, 1);
  return pos_embed.defined() ? tokens + pos_embed : tokens;
}

struct Inputs {
  at::Tensor patches;
  std::vector<ClsToken> cls_tokens;
  at::Tensor pos_embed;

  std::vector<at::Tensor> leaves() const {
    std::vector<at::Tensor> result = {patches};
    for (const ClsToken& token : cls_tokens) {
      result.push_back(token.value);
    }
    if (pos_embed.defined()) {
      result.push_back(pos_embed);
    }
    return result;
  }
};

Inputs make_inputs(const std::vector<int64_t>& slots, at::ScalarType dtype, bool has_pos_embed) {
  Inputs inputs;
  inputs.patches = leaf(random_tensor({3, 6, 10}, 1).to(dtype));
  for (const int64_t slot : slots) {
    inputs.cls_tokens.push_back({leaf(random_tensor({1, 1, 10}, 2 + slot)), slot});
  }
  if (has_pos_embed) {
    const auto num_tokens = 6 + static_cast<int64_t>(slots.size());
    inputs.pos_embed = leaf(random_tensor({1, num_tokens, 10}, 20));
  }
  return inputs;
}

// Each sum over the batch has three terms.
constexpr double kSumOfThree = 3e-7;

void check(const std::vector<int64_t>& slots, at::ScalarType dtype, bool has_pos_embed) {
  const Inputs inputs = make_inputs(slots, dtype, has_pos_embed);
  const Inputs same = make_inputs(slots, dtype, has_pos_embed);
  const at::Tensor out = token_sequence(inputs.patches, inputs.cls_tokens, inputs.pos_embed);
  const at::Tensor expected = reference(same.patches, same.cls_tokens, same.pos_embed);
  CHECK(at::equal(out, expected));
  const at::Tensor dout = random_tensor(out.sizes(), 30);
  out.backward(dout);
  expected.backward(dout);
  const std::vector<at::Tensor> leaves = inputs.leaves();
  const std::vector<at::Tensor> wanted = same.leaves();
  CHECK(at::equal(leaves[0].grad(), wanted[0].grad()));
  for (size_t i = 1; i < leaves.size(); ++i) {
    CHECK(relative_error(leaves[i].grad(), wanted[i].grad().to(at::kDouble)) < kSumOfThree);
  }
}

TEST_CASE("token_sequence puts class tokens between patches, with all gradients") {
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16, at::kHalf}) {
    CAPTURE(dtype);
    check({0}, dtype, true);
    check({3}, dtype, true);
    check({6}, dtype, true);
    check({0, 7}, dtype, true);
    check({2}, dtype, false);
    check({}, dtype, true);
    check({}, dtype, false);
  }
}

TEST_CASE("token_sequence without gradients keeps no graph") {
  const at::NoGradGuard no_grad;
  const Inputs inputs = make_inputs({3}, at::kBFloat16, true);
  const at::Tensor out = token_sequence(inputs.patches, inputs.cls_tokens, inputs.pos_embed);
  CHECK_FALSE(out.requires_grad());
  CHECK(at::equal(out, reference(inputs.patches, inputs.cls_tokens, inputs.pos_embed)));
}

TEST_CASE("token_sequence names what does not fit") {
  const Inputs good = make_inputs({3}, at::kFloat, true);
  CHECK(contains(
      error_text([&] {
        token_sequence(good.patches, good.cls_tokens, at::zeros({1, 6, 10}));
      }),
      "token_sequence: pos_embed must be [1, 7, 10], got [1, 6, 10]"));
  CHECK(contains(
      error_text([&] {
        token_sequence(good.patches, {{at::zeros({1, 1, 9}), 0}}, {});
      }),
      "token_sequence: class token must be [1, 1, 10], got [1, 1, 9]"));
  const ClsToken token = good.cls_tokens[0];
  CHECK(contains(
      error_text([&] {
        token_sequence(good.patches, {token, token, token}, {});
      }),
      "at most 2 class tokens, got 3"));
}

}  // namespace
}  // namespace vim::ops
