// The image batch on the CPU. A pixel has only 256 values, so everything that happens to it is a
// table lookup; that is exact by construction and faster than the arithmetic, hence there is no
// vector version.
#include "kernels/image_batch.h"

#include <algorithm>
#include <limits>

#include "kernels/cpu/check.h"
#include "kernels/cpu/storage.h"

namespace vim::kernels {
namespace {

constexpr int64_t kLevels = 256;

// What each level of one channel becomes: normalised, and that times its mixup factor.
struct ChannelTable {
  float plain[kLevels];
  float own[kLevels];
  float partner[kLevels];
};

void check_mix(const ImageBatchParams& params, const SampleMix& mix) {
  check_between("image_batch: partner", mix.partner, 0, params.batch - 1);
  check_between("image_batch: y1", mix.y1, 0, params.height);
  check_between("image_batch: x1", mix.x1, 0, params.width);
  check_between("image_batch: y0", mix.y0, 0, params.height);
  check_between("image_batch: x0", mix.x0, 0, params.width);
}

void check_params(const ImageBatchParams& params, RowRange rows) {
  constexpr int64_t kUnlimited = std::numeric_limits<int64_t>::max();
  check_between("image_batch: batch", params.batch, 1, kUnlimited);
  check_between("image_batch: height", params.height, 1, kUnlimited);
  check_between("image_batch: width", params.width, 1, kUnlimited);
  check_between("image_batch: channels", params.channels, 1, kMaxImageChannels);
  check_rows("image_batch", rows, params.batch);
  check_present("image_batch: images", params.images);
  check_present("image_batch: out", params.out);
  for (int64_t b = rows.begin; b < rows.end && params.mix != nullptr; ++b) {
    check_mix(params, params.mix[b]);
  }
}

ChannelTable make_table(const ImageBatchParams& params, int64_t channel, float mix_lambda) {
  ChannelTable table;
  for (int64_t level = 0; level < kLevels; ++level) {
    const float unit = static_cast<float>(level) / 255.0F;
    const float value = (unit - params.mean[channel]) / params.std[channel];
    table.plain[level] = value;
    table.own[level] = mix_lambda * value;
    table.partner[level] = (1.0F - mix_lambda) * value;
  }
  return table;
}

// One channel of one sample. Pixels are `stride` bytes apart in both images.
template <typename T>
struct Plane {
  const uint8_t* own;
  const uint8_t* partner;
  T* out;
  int64_t stride;

  void copy(const uint8_t* from, RowRange pixels, const ChannelTable& table) const {
    for (int64_t i = pixels.begin; i < pixels.end; ++i) {
      out[i] = from_float<T>(table.plain[from[i * stride]]);
    }
  }

  void mixup(int64_t num_pixels, const ChannelTable& table) const {
    for (int64_t i = 0; i < num_pixels; ++i) {
      const float mixed = table.own[own[i * stride]] + table.partner[partner[i * stride]];
      out[i] = from_float<T>(mixed);
    }
  }
};

template <typename T>
void write_plane(
    const Plane<T>& plane, const ImageBatchParams& params, const SampleMix& mix, int64_t channel) {
  const int64_t num_pixels = params.height * params.width;
  const ChannelTable table = make_table(params, channel, mix.mix_lambda);
  if (mix.mix_lambda == 1.0F) {  // mixup would turn a partner's value into 0 times it
    plane.copy(plane.own, {0, num_pixels}, table);
  } else {
    plane.mixup(num_pixels, table);
  }
  for (int64_t y = mix.y0; y < mix.y1; ++y) {
    const int64_t line = y * params.width;
    plane.copy(plane.partner, {line + mix.x0, line + mix.x1}, table);
  }
}

template <typename T>
void write_sample(const ImageBatchParams& params, int64_t sample) {
  SampleMix mix;
  mix.partner = sample;
  if (params.mix != nullptr) {
    mix = params.mix[sample];
  }
  const int64_t plane_size = params.height * params.width;
  const int64_t image_size = plane_size * params.channels;
  for (int64_t c = 0; c < params.channels; ++c) {
    const Plane<T> plane{
        params.images + sample * image_size + c,
        params.images + mix.partner * image_size + c,
        static_cast<T*>(params.out) + sample * image_size + c * plane_size,
        params.channels};
    write_plane(plane, params, mix, c);
  }
}

}  // namespace

int64_t image_batch_num_rows(const ImageBatchParams& params) { return params.batch; }

void image_batch(const ImageBatchParams& params, RowRange rows) {
  check_params(params, rows);
  visit_dtype(params.out_dtype, [&](auto tag) {
    for (int64_t sample = rows.begin; sample < rows.end; ++sample) {
      write_sample<decltype(tag)>(params, sample);
    }
  });
}

}  // namespace vim::kernels
