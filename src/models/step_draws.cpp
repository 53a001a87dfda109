// Draws of one pass from the counter-based generator.
#include "src/models/step_draws.h"

#include <ATen/ATen.h>

#include <numeric>

#include "src/core/philox.h"
#include "src/models/vision_mamba.h"

namespace vim::models {
namespace {

using core::Random;
using core::RandomStream;

// Fisher-Yates over the tokens, one order for the whole batch.
at::Tensor draw_token_order(int64_t num_tokens, Random random) {
  at::Tensor order = at::arange(num_tokens, at::kLong);
  auto* values = order.mutable_data_ptr<int64_t>();
  for (int64_t i = num_tokens - 1; i > 0; --i) {
    std::swap(values[i], values[random.uniform_int(0, i)]);
  }
  return order;
}

// (depth + 1, batch) of 0 and 1; rows whose rate is 0 stay 1.
at::Tensor draw_drop_path(const VisionMambaOptions& options, const DrawKey& key, int64_t batch) {
  const auto rates = drop_path_schedule(options.depth, options.drop_path_rate);
  at::Tensor masks = at::ones({static_cast<int64_t>(rates.size()), batch});
  auto* values = masks.mutable_data_ptr<float>();
  for (size_t layer = 0; layer < rates.size(); ++layer) {
    for (int64_t i = 0; i < batch && rates[layer] > 0.0; ++i) {
      Random random(
          {key.seed,
           RandomStream::kDropPath,
           key.step,
           static_cast<uint32_t>(layer),
           static_cast<uint64_t>(key.first_position + i)});
      const bool is_kept = random.uniform() >= static_cast<float>(rates[layer]);
      values[static_cast<int64_t>(layer) * batch + i] = is_kept ? 1.0F : 0.0F;
    }
  }
  return masks;
}

at::Tensor draw_dropout(const VisionMambaOptions& options, const DrawKey& key, int64_t batch) {
  const int64_t per_sample = options.num_tokens() * options.mixer.embed_dim;
  at::Tensor mask = at::empty({batch, options.num_tokens(), options.mixer.embed_dim});
  auto* values = mask.mutable_data_ptr<float>();
  for (int64_t i = 0; i < batch; ++i) {
    Random random(
        {key.seed,
         RandomStream::kDropout,
         key.step,
         0,
         static_cast<uint64_t>(key.first_position + i)});
    for (int64_t k = 0; k < per_sample; ++k) {
      values[i * per_sample + k] =
          random.uniform() >= static_cast<float>(options.drop_rate) ? 1.0F : 0.0F;
    }
  }
  return mask;
}

}  // namespace

StepDraws draw_step(
    const VisionMambaOptions& options, const DrawKey& key, int64_t batch, bool is_training) {
  const auto batch_wide = [&key](RandomStream stream) {
    return Random({key.seed, stream, key.step, 0, 0});
  };
  StepDraws draws;
  if (options.cls_position == ClsPosition::kRandom && is_training) {
    draws.cls_position =
        batch_wide(RandomStream::kClsPosition).uniform_int(0, options.num_patches());
  }
  if (options.random_token_order && is_training) {
    draws.token_order =
        draw_token_order(options.num_tokens(), batch_wide(RandomStream::kTokenOrder));
  }
  // The official comparison: a flip happens if probability - U exceeds 1e-5.
  constexpr double kFlipMargin = 1e-5;
  if (options.token_flip_prob > 0.0 && (is_training || options.token_flip_in_eval)) {
    const double uniform = batch_wide(RandomStream::kTokenFlip).uniform(0.0, 1.0);
    draws.flip_tokens = options.token_flip_prob - uniform > kFlipMargin;
  }
  if (is_training && options.drop_path_rate > 0.0) {
    draws.drop_path_masks = draw_drop_path(options, key, batch);
  }
  if (is_training && options.drop_rate > 0.0 && options.pos_embed) {
    draws.dropout_mask = draw_dropout(options, key, batch);
  }
  return draws;
}

}  // namespace vim::models
