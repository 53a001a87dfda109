// The image batch on the CPU. A pixel has only 256 values, so everything that happens to it is a
// table lookup; that is exact by construction and faster than the arithmetic, hence there is no
// vector version.
#include "kernels/image_batch.h"

#include <algorithm>
#include <limits>

#include "kernels/cpu/check.h"
#include "kernels/storage.h"

namespace vim::kernels {
namespace {

constexpr int64_t kLevels = 256;
constexpr int64_t kUnlimited = std::numeric_limits<int64_t>::max();

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

void check_patches(const ImageBatchParams& params) {
  if (params.patch_size == 0) {
    return;
  }
  const int64_t side = std::min(params.height, params.width);
  check_between("image_batch: patch_size", params.patch_size, 1, side);
  check_between("image_batch: stride", params.stride, 1, kUnlimited);
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

// One channel of one sample: its first byte in both images and its place in the first window.
// Pixels are `pixel_stride` bytes apart.
template <typename T>
struct ChannelPlane {
  const uint8_t* own;
  const uint8_t* partner;
  T* out;
  int64_t pixel_stride;
};

template <typename T>
void normalise(
    const uint8_t* from, int64_t pixel_stride, int64_t count, const ChannelTable& table, T* to) {
  for (int64_t i = 0; i < count; ++i) {
    to[i] = from_float<T>(table.plain[from[i * pixel_stride]]);
  }
}

template <typename T>
void mixup(const ChannelPlane<T>& line, int64_t count, const ChannelTable& table) {
  for (int64_t i = 0; i < count; ++i) {
    const int64_t at = i * line.pixel_stride;
    line.out[i] = from_float<T>(table.own[line.own[at]] + table.partner[line.partner[at]]);
  }
}

// One line of a window: columns [x, x + count) of image line y. `line` points to its first pixel.
template <typename T>
void write_line(
    const ChannelPlane<T>& line,
    const SampleMix& mix,
    const ChannelTable& table,
    int64_t y,
    RowRange columns) {
  const int64_t count = columns.end - columns.begin;
  if (mix.mix_lambda == 1.0F) {  // mixup would turn a partner's value into 0 times it
    normalise(line.own, line.pixel_stride, count, table, line.out);
  } else {
    mixup(line, count, table);
  }
  const int64_t begin = std::max<int64_t>(columns.begin, mix.x0);
  const int64_t end = std::min<int64_t>(columns.end, mix.x1);
  if (y >= mix.y0 && y < mix.y1 && begin < end) {
    const int64_t skipped = begin - columns.begin;
    const uint8_t* from = line.partner + skipped * line.pixel_stride;
    normalise(from, line.pixel_stride, end - begin, table, line.out + skipped);
  }
}

template <typename T>
void write_plane(
    const ChannelPlane<T>& plane,
    const ImageBatchParams& params,
    const SampleMix& mix,
    const ChannelTable& table) {
  const ImageWindows windows = image_windows(params);
  const int64_t window_size = params.channels * windows.height * windows.width;
  for (int64_t w = 0; w < windows.count; ++w) {
    const int64_t x = w % windows.columns * windows.stride;
    for (int64_t line = 0; line < windows.height; ++line) {
      const int64_t y = w / windows.columns * windows.stride + line;
      const int64_t from = (y * params.width + x) * plane.pixel_stride;
      T* out = plane.out + w * window_size + line * windows.width;
      const ChannelPlane<T> at{plane.own + from, plane.partner + from, out, plane.pixel_stride};
      write_line(at, mix, table, y, {x, x + windows.width});
    }
  }
}

template <typename T>
void write_sample(const ImageBatchParams& params, int64_t sample) {
  SampleMix mix;
  mix.partner = sample;
  if (params.mix != nullptr) {
    mix = params.mix[sample];
  }
  const ImageWindows windows = image_windows(params);
  const int64_t image_size = params.height * params.width * params.channels;
  const int64_t plane_size = windows.height * windows.width;
  T* out = static_cast<T*>(params.out) + sample * windows.count * params.channels * plane_size;
  for (int64_t c = 0; c < params.channels; ++c) {
    const ChannelPlane<T> plane{
        params.images + sample * image_size + c,
        params.images + mix.partner * image_size + c,
        out + c * plane_size,
        params.channels};
    write_plane(plane, params, mix, make_table(params, c, mix.mix_lambda));
  }
}

}  // namespace

ImageWindows image_windows(const ImageBatchParams& params) {
  if (params.patch_size == 0) {
    return {params.height, params.width, 0, 1, 1};
  }
  const int64_t side = params.patch_size;
  const int64_t lines = (params.height - side) / params.stride + 1;
  const int64_t columns = (params.width - side) / params.stride + 1;
  return {side, side, params.stride, columns, lines * columns};
}

void check_image_batch(const ImageBatchParams& params) {
  check_between("image_batch: batch", params.batch, 1, kUnlimited);
  check_between("image_batch: height", params.height, 1, kUnlimited);
  check_between("image_batch: width", params.width, 1, kUnlimited);
  check_between("image_batch: channels", params.channels, 1, kMaxImageChannels);
  check_patches(params);
  check_present("image_batch: images", params.images);
  check_present("image_batch: out", params.out);
}

int64_t image_batch_num_rows(const ImageBatchParams& params) { return params.batch; }

void image_batch(const ImageBatchParams& params, RowRange rows) {
  check_image_batch(params);
  check_rows("image_batch", rows, params.batch);
  for (int64_t b = rows.begin; b < rows.end && params.mix != nullptr; ++b) {
    check_mix(params, params.mix[b]);
  }
  visit_dtype(params.out_dtype, [&](auto tag) {
    for (int64_t sample = rows.begin; sample < rows.end; ++sample) {
      write_sample<decltype(tag)>(params, sample);
    }
  });
}

}  // namespace vim::kernels
