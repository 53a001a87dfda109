// The image batch on the CPU. A pixel has only 256 values, so everything that happens to it but
// erasing is a table lookup; that is exact by construction and faster than the arithmetic, hence
// there is no vector version. Erased pixels are few: they are written again, one by one.
#include "kernels/image_batch.h"

#include <algorithm>

#include "kernels/cpu/check.h"
#include "kernels/image_erase.h"
#include "kernels/storage.h"

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

void check_boxes(const ImageBatchParams& params, int64_t sample) {
  const SampleBoxes boxes = sample_boxes(params, sample);
  for (int64_t i = 0; i < boxes.count; ++i) {
    const EraseBox& box = boxes.first[i];
    check_between("image_batch: erased y1", box.y1, 0, params.height);
    check_between("image_batch: erased x1", box.x1, 0, params.width);
    check_between("image_batch: erased y0", box.y0, 0, params.height);
    check_between("image_batch: erased x0", box.x0, 0, params.width);
  }
}

void check_samples(const ImageBatchParams& params, RowRange rows) {
  for (int64_t b = rows.begin; b < rows.end; ++b) {
    if (params.mix != nullptr) {
      check_mix(params, params.mix[b]);
    }
    check_boxes(params, b);
  }
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

// What becomes of one channel of one sample.
struct ChannelRule {
  SampleMix mix;
  int channel;
  EraseFill fill;
  SampleBoxes own_boxes;
  SampleBoxes partner_boxes;
  ChannelTable table;
};

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
    const ChannelPlane<T>& line, const ChannelRule& rule, int64_t y, const RowRange& columns) {
  const SampleMix& mix = rule.mix;
  const int64_t count = columns.end - columns.begin;
  if (mix.mix_lambda == 1.0F) {  // mixup would turn a partner's value into 0 times it
    normalise(line.own, line.pixel_stride, count, rule.table, line.out);
  } else {
    mixup(line, count, rule.table);
  }
  const int64_t begin = std::max<int64_t>(columns.begin, mix.x0);
  const int64_t end = std::min<int64_t>(columns.end, mix.x1);
  if (y >= mix.y0 && y < mix.y1 && begin < end) {
    const int64_t skipped = begin - columns.begin;
    const uint8_t* from = line.partner + skipped * line.pixel_stride;
    normalise(from, line.pixel_stride, end - begin, rule.table, line.out + skipped);
  }
}

// The value at (y, x), with whatever erases it or its partner there.
float erased_and_mixed(
    const ChannelRule& rule, uint8_t own_level, uint8_t partner_level, int64_t y, int64_t x) {
  const SampleMix& mix = rule.mix;
  const auto value = [&](const SampleBoxes& boxes, uint8_t level) {
    const PixelErasure erasure = erasure_at(boxes, rule.fill, y, x);
    return erased_value(erasure, rule.fill, rule.channel, rule.table.plain[level]);
  };
  if (y >= mix.y0 && y < mix.y1 && x >= mix.x0 && x < mix.x1) {
    return value(rule.partner_boxes, partner_level);
  }
  const float own = value(rule.own_boxes, own_level);
  if (mix.mix_lambda == 1.0F) {
    return own;
  }
  const float partner = value(rule.partner_boxes, partner_level);
  return mix.mix_lambda * own + (1.0F - mix.mix_lambda) * partner;  // compiled without contraction
}

// Writes those pixels of a line again that one of `boxes` holds.
template <typename T>
void erase_line(
    const ChannelPlane<T>& line,
    const ChannelRule& rule,
    const SampleBoxes& boxes,
    int64_t y,
    const RowRange& columns) {
  for (int64_t i = 0; i < boxes.count; ++i) {
    const EraseBox& box = boxes.first[i];
    if (y < box.y0 || y >= box.y1) {
      continue;
    }
    const int64_t end = std::min<int64_t>(columns.end, box.x1);
    for (int64_t x = std::max<int64_t>(columns.begin, box.x0); x < end; ++x) {
      const int64_t place = x - columns.begin;
      const int64_t at = place * line.pixel_stride;
      line.out[place] = from_float<T>(erased_and_mixed(rule, line.own[at], line.partner[at], y, x));
    }
  }
}

template <typename T>
void write_plane(
    const ChannelPlane<T>& plane, const ImageBatchParams& params, const ChannelRule& rule) {
  const ImageWindows windows = image_windows(params);
  const int64_t window_size = params.channels * windows.height * windows.width;
  for (int64_t w = 0; w < windows.count; ++w) {
    const int64_t x = w % windows.columns * windows.stride;
    for (int64_t line = 0; line < windows.height; ++line) {
      const int64_t y = w / windows.columns * windows.stride + line;
      const int64_t from = (y * params.width + x) * plane.pixel_stride;
      T* out = plane.out + w * window_size + line * windows.width;
      const ChannelPlane<T> at{plane.own + from, plane.partner + from, out, plane.pixel_stride};
      const RowRange columns{x, x + windows.width};
      write_line(at, rule, y, columns);
      erase_line(at, rule, rule.own_boxes, y, columns);
      erase_line(at, rule, rule.partner_boxes, y, columns);
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
  ChannelRule rule{
      mix,
      0,
      params.erase_fill,
      sample_boxes(params, sample),
      sample_boxes(params, mix.partner),
      {}};
  for (int64_t c = 0; c < params.channels; ++c) {
    const ChannelPlane<T> plane{
        params.images + sample * image_size + c,
        params.images + mix.partner * image_size + c,
        out + c * plane_size,
        params.channels};
    rule.channel = static_cast<int>(c);
    rule.table = make_table(params, c, mix.mix_lambda);
    write_plane(plane, params, rule);
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
  check_between("image_batch: num_boxes", params.num_boxes, 0, kUnlimited);
  if (params.num_boxes > 0) {
    check_present("image_batch: boxes", params.boxes);
  }
}

int64_t image_batch_num_rows(const ImageBatchParams& params) { return params.batch; }

void image_batch(const ImageBatchParams& params, RowRange rows) {
  check_image_batch(params);
  check_rows("image_batch", rows, params.batch);
  check_samples(params, rows);
  visit_dtype(params.out_dtype, [&](auto tag) {
    for (int64_t sample = rows.begin; sample < rows.end; ++sample) {
      write_sample<decltype(tag)>(params, sample);
    }
  });
}

}  // namespace vim::kernels
