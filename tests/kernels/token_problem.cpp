#include "tests/kernels/token_problem.h"

#include <algorithm>
#include <cmath>

namespace vim::tests {

using kernels::DType;

const std::vector<TokenCase>& token_cases() {
  static const std::vector<TokenCase> cases = {
      {"first", 2, 5, 8, {0}},
      {"middle", 3, 6, 16, {3}, true, DType::kBFloat16},
      {"last", 2, 5, 8, {5}, true, DType::kFloat16},
      {"both_ends", 2, 5, 24, {0, 6}, true, DType::kBFloat16},
      {"side_by_side", 2, 4, 8, {2, 3}},
      {"no_cls_token", 2, 5, 8, {}, true, DType::kFloat16},
      {"no_pos_embed", 2, 5, 8, {2}, false, DType::kBFloat16},
      {"nothing_to_add", 2, 5, 8, {}, false},
      {"one_patch", 1, 1, 1, {1}},
      {"odd_channels", 3, 7, 13, {3}, true, DType::kBFloat16},
      {"odd_channels_float", 3, 7, 3, {0, 8}},
      {"many_images", 11, 3, 8, {1}, true, DType::kBFloat16},
      {"many_tokens", 5, 110, 40, {55}, true, DType::kFloat16}};
  return cases;
}

TokenRun::TokenRun(const TokenCase& test)
    : patches({test.batch, test.num_patches, test.channels}, test.dtype),
      dpatches({test.batch, test.num_patches, test.channels}, test.dtype) {
  const auto num_cls = static_cast<int64_t>(test.cls_slots.size());
  const int64_t num_tokens = test.num_patches + num_cls;
  const int64_t num_values = test.batch * num_tokens * test.channels;
  patches.set(random_values(test.batch * test.num_patches * test.channels, 1));
  for (int64_t i = 0; i < num_cls; ++i) {
    const auto seed = static_cast<uint64_t>(2 + i);
    cls_tokens.push_back(to_floats(random_values(test.channels, seed)));
  }
  if (test.has_pos_embed) {
    pos_embed = to_floats(random_values(num_tokens * test.channels, 4));
  }
  out.assign(static_cast<size_t>(num_values), NAN);
  dout = to_floats(random_values(num_values, 5));

  kernels::TokenSequence sequence;
  sequence.batch = test.batch;
  sequence.num_patches = test.num_patches;
  sequence.channels = test.channels;
  sequence.dtype = test.dtype;
  sequence.num_cls_tokens = static_cast<int>(num_cls);
  std::copy(test.cls_slots.begin(), test.cls_slots.end(), sequence.cls_slots);
  static_cast<kernels::TokenSequence&>(params) = sequence;
  static_cast<kernels::TokenSequence&>(backward) = sequence;
  params.patches = patches.view().data;
  for (size_t i = 0; i < cls_tokens.size(); ++i) {
    params.cls_tokens[i] = cls_tokens[i].data();
  }
  params.pos_embed = test.has_pos_embed ? pos_embed.data() : nullptr;
  params.out = out.data();
  backward.dout = dout.data();
  backward.dpatches = dpatches.mutable_view().data;
}

namespace {

// Which class token stands in a slot; -1: a patch does.
int cls_in(const TokenCase& test, int64_t slot) {
  const auto found = std::find(test.cls_slots.begin(), test.cls_slots.end(), slot);
  return found == test.cls_slots.end() ? -1 : static_cast<int>(found - test.cls_slots.begin());
}

}  // namespace

std::vector<float> expected_tokens(const TokenCase& test, const TokenRun& run) {
  const Values patches = run.patches.get();
  std::vector<float> result;
  size_t next_patch = 0;  // over the whole batch
  for (int64_t at = 0; at < static_cast<int64_t>(run.out.size()); ++at) {
    const int64_t slot = at / test.channels % run.params.num_tokens();
    const int cls = cls_in(test, slot);
    const auto channel = static_cast<size_t>(at % test.channels);
    float value = cls < 0 ? static_cast<float>(patches[next_patch++])
                          : run.cls_tokens[static_cast<size_t>(cls)][channel];
    if (test.has_pos_embed) {
      value += run.pos_embed[static_cast<size_t>(slot * test.channels) + channel];
    }
    result.push_back(value);
  }
  return result;
}

Values expected_dpatches(const TokenCase& test, const TokenRun& run) {
  Values result;
  for (int64_t at = 0; at < static_cast<int64_t>(run.dout.size()); ++at) {
    if (cls_in(test, at / test.channels % run.params.num_tokens()) < 0) {
      result.push_back(run.dout[static_cast<size_t>(at)]);
    }
  }
  return result;
}

}  // namespace vim::tests
