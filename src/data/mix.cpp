// Only factors and boxes are made here; the pixels are mixed by the image kernel.
#include "src/data/mix.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "src/core/error.h"

namespace vim::data {
namespace {

bool is_cutmix_on(const AugmentOptions& options) {
  return options.cutmix_alpha > 0 || options.cutmix_minmax.has_value();
}

// A box of known sides and the label's weight that it leaves.
ImageMix boxed(const std::array<int64_t, 4>& y0_y1_x0_x1, const Size& size) {
  const auto clip = [](int64_t value, int64_t end) {
    return static_cast<int32_t>(std::clamp<int64_t>(value, 0, end));
  };
  ImageMix mix;
  mix.y0 = clip(y0_y1_x0_x1[0], size.height);
  mix.y1 = clip(y0_y1_x0_x1[1], size.height);
  mix.x0 = clip(y0_y1_x0_x1[2], size.width);
  mix.x1 = clip(y0_y1_x0_x1[3], size.width);
  const auto area = static_cast<double>((mix.y1 - mix.y0) * (mix.x1 - mix.x0));
  mix.target_lambda = 1.0 - area / static_cast<double>(size.height * size.width);
  return mix;
}

// A side from low to below high times the image's, in whole pixels.
int64_t draw_side(const std::array<double, 2>& minmax, int64_t length, core::Random& random) {
  const auto low = static_cast<int64_t>(static_cast<double>(length) * minmax[0]);
  const auto high = static_cast<int64_t>(static_cast<double>(length) * minmax[1]);
  if (low < 0 || low >= high || high > length) {
    throw Error(fmt::format(
        "augment.cutmix_minmax: [{}, {}] leaves no box side within {} pixels; choose a wider pair "
        "between 0 and 1",
        minmax[0],
        minmax[1],
        length));
  }
  return random.uniform_int(low, high - 1);
}

// Placed so that at least one line and column stay outside, as timm does.
ImageMix draw_minmax_box(
    const std::array<double, 2>& minmax, const Size& size, core::Random& random) {
  const int64_t height = draw_side(minmax, size.height, random);
  const int64_t width = draw_side(minmax, size.width, random);
  const int64_t y0 = random.uniform_int(0, size.height - height - 1);
  const int64_t x0 = random.uniform_int(0, size.width - width - 1);
  return boxed({y0, y0 + height, x0, x0 + width}, size);
}

}  // namespace

bool is_mixing(const AugmentOptions& options) {
  return options.mix_prob > 0 && (options.mixup_alpha > 0 || is_cutmix_on(options));
}

int64_t mix_group_size(const AugmentOptions& options, int64_t global_batch) {
  if (!is_mixing(options)) {
    return 1;
  }
  const int64_t size = options.mix_group == 0 ? global_batch : options.mix_group;
  if (size <= 0 || global_batch % size != 0) {
    throw Error(fmt::format(
        "augment.mix_group: {} does not divide train.global_batch {}; choose a divisor",
        size,
        global_batch));
  }
  return size;
}

ImageMix cutmix_around(double lambda, int64_t centre_y, int64_t centre_x, const Size& size) {
  const double side = std::sqrt(1.0 - lambda);
  const auto half_height = static_cast<int64_t>(static_cast<double>(size.height) * side) / 2;
  const auto half_width = static_cast<int64_t>(static_cast<double>(size.width) * side) / 2;
  return boxed(
      {centre_y - half_height,
       centre_y + half_height,
       centre_x - half_width,
       centre_x + half_width},
      size);
}

ImageMix draw_mix(const AugmentOptions& options, const Size& size, core::Random& random) {
  if (!is_mixing(options) || random.uniform(0.0, 1.0) >= options.mix_prob) {
    return {};
  }
  const bool has_both = options.mixup_alpha > 0 && is_cutmix_on(options);
  const bool is_cutmix =
      has_both ? random.uniform(0.0, 1.0) < options.mix_switch_prob : is_cutmix_on(options);
  if (is_cutmix && options.cutmix_minmax) {
    return draw_minmax_box(*options.cutmix_minmax, size, random);
  }
  const double alpha = is_cutmix ? options.cutmix_alpha : options.mixup_alpha;
  const double lambda = random.beta(alpha, alpha);
  if (is_cutmix) {
    const int64_t centre_y = random.uniform_int(0, size.height - 1);
    const int64_t centre_x = random.uniform_int(0, size.width - 1);
    return cutmix_around(lambda, centre_y, centre_x, size);
  }
  ImageMix mix;
  mix.pixel_lambda = lambda;
  mix.target_lambda = lambda;
  return mix;
}

GroupMix draw_group_mix(
    const AugmentOptions& options, const Size& size, int64_t group_size, core::RandomKey key) {
  const int64_t num_draws = options.mix_mode == MixMode::kBatch  ? 1
                            : options.mix_mode == MixMode::kPair ? (group_size + 1) / 2
                                                                 : group_size;
  GroupMix draws;
  for (int64_t place = 0; place < num_draws; ++place) {
    key.position = static_cast<uint64_t>(place);
    core::Random random(key);
    draws.push_back(draw_mix(options, size, random));
  }
  GroupMix group;
  for (int64_t place = 0; place < group_size; ++place) {
    const int64_t mirrored = std::min(place, group_size - 1 - place);
    const int64_t draw = options.mix_mode == MixMode::kPair ? mirrored : place;
    group.push_back(draws[static_cast<size_t>(std::min(draw, num_draws - 1))]);
  }
  return group;
}

std::vector<GroupMix> draw_mixes(
    const AugmentOptions& options, const Size& size, int64_t group_size, const StepImages& images) {
  std::vector<GroupMix> groups;
  for (int64_t group = 0; group < images.count / group_size; ++group) {
    const auto place = static_cast<uint32_t>(images.first_position / group_size + group);
    const core::RandomKey key{images.seed, core::RandomStream::kMix, images.step, place, 0};
    groups.push_back(draw_group_mix(options, size, group_size, key));
  }
  return groups;
}

std::vector<kernels::SampleMix> mix_samples(const std::vector<GroupMix>& groups) {
  std::vector<kernels::SampleMix> samples;
  for (const GroupMix& group : groups) {
    const auto first = static_cast<int64_t>(samples.size());
    for (size_t place = 0; place < group.size(); ++place) {
      const ImageMix& mix = group[place];
      kernels::SampleMix sample;
      sample.partner = first + static_cast<int64_t>(group.size() - 1 - place);
      sample.mix_lambda = static_cast<float>(mix.pixel_lambda);
      sample.y0 = mix.y0;
      sample.y1 = mix.y1;
      sample.x0 = mix.x0;
      sample.x1 = mix.x1;
      samples.push_back(sample);
    }
  }
  return samples;
}

}  // namespace vim::data
