// Tiles, windows and taps of the Highway convolution, included once per target.
//
// Both directions become correlations over that window. With H = width - 1 and window row 0 at
// token t - H, the output at token t reads rows shift ... shift + H, shift = 0 for the forward
// direction and H for the reversed one, whose taps are stored turned round.
#if defined(VIM_KERNELS_CAUSAL_CONV1D_WINDOW_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef VIM_KERNELS_CAUSAL_CONV1D_WINDOW_INL_H_
#undef VIM_KERNELS_CAUSAL_CONV1D_WINDOW_INL_H_
#else
#define VIM_KERNELS_CAUSAL_CONV1D_WINDOW_INL_H_
#endif

#include <algorithm>
#include <cstring>

#include "hwy/highway.h"
#include "kernels/cpu/causal_conv1d_impl.h"
#include "kernels/cpu/vector_storage-inl.h"

HWY_BEFORE_NAMESPACE();
namespace vim::kernels::HWY_NAMESPACE {
namespace {

using Tag = hn::CappedTag<float, kConvTile>;
using Vector = hn::Vec<Tag>;

constexpr int64_t kMaxHalo = kMaxConvWidth - 1;

HWY_INLINE int64_t num_lanes() { return static_cast<int64_t>(hn::Lanes(Tag())); }

// Channels [first, first + count) of one batch entry.
struct Tile {
  int64_t batch;
  int64_t first;
  int64_t count;

  HWY_INLINE int64_t offset(int64_t batch_stride, int64_t token_stride, int64_t token) const {
    return batch * batch_stride + token * token_stride + first;
  }
  HWY_INLINE int64_t lanes_from(int64_t channel) const {
    return std::min(count - channel, num_lanes());
  }
};

Tile make_tile(const ConvParams& params, int64_t row) {
  const int64_t num_tiles = conv_num_tiles(params);
  const int64_t first = row % num_tiles * kConvTile;
  const int64_t count = std::min(kConvTile, params.channels - first);
  return {row / num_tiles, first, count};
}

// Float copies of kRows tokens of a tile.
template <int64_t kRows>
struct Window {
  HWY_ALIGN float data[kRows * kConvTile];

  HWY_INLINE float* row(int64_t index) { return data + index * kConvTile; }
  HWY_INLINE const float* row(int64_t index) const { return data + index * kConvTile; }
};

// Taps in the order of rising window rows, the bias behind them.
struct Taps {
  HWY_ALIGN float data[(kMaxConvWidth + 1) * kConvTile];
  int64_t width;
  int64_t shift;
};

void fill_taps(
    const ConvParams& params, const ConvDirection& direction, const Tile& tile, Taps& taps) {
  taps.width = params.width;
  taps.shift = direction.reversed ? params.width - 1 : 0;
  std::fill(taps.data, taps.data + (params.width + 1) * kConvTile, 0.0F);
  for (int64_t c = 0; c < tile.count; ++c) {
    const float* weight = direction.weight + (tile.first + c) * params.width;
    for (int64_t k = 0; k < params.width; ++k) {
      const int64_t tap = direction.reversed ? params.width - 1 - k : k;
      taps.data[tap * kConvTile + c] = weight[k];
    }
    if (direction.bias != nullptr) {
      taps.data[params.width * kConvTile + c] = direction.bias[tile.first + c];
    }
  }
}

// Reads num_rows tokens from first_token on into the window.
template <typename T>
void load_window(
    const ConvParams& params,
    const Tile& tile,
    int64_t first_token,
    int64_t num_rows,
    float* window) {
  const Tag d;
  for (int64_t r = 0; r < num_rows; ++r) {
    const int64_t token = first_token + r;
    float* row = window + r * kConvTile;
    if (token < 0 || token >= params.seqlen) {
      std::memset(row, 0, kConvTile * sizeof(float));
      continue;
    }
    const T* x = static_cast<const T*>(params.x.data) +
                 tile.offset(params.x.batch_stride, params.x.token_stride, token);
    for (int64_t c = 0; c < tile.count; c += num_lanes()) {
      hn::Store(load_part(d, x + c, tile.lanes_from(c)), d, row + c);
    }
  }
}

// One channel vector of a direction's taps, in registers where kWidth is known at compile time;
// kWidth 0 is the version for any width.
template <int kWidth>
struct TapVectors {
  static constexpr int64_t kCapacity = kWidth == 0 ? kMaxConvWidth : kWidth;
  Vector tap[kCapacity];
  Vector bias;
  int64_t runtime_width;

  HWY_INLINE TapVectors(const Taps& taps, int64_t channel) : runtime_width(taps.width) {
    const Tag d;
    for (int64_t j = 0; j < width(); ++j) {
      tap[j] = hn::Load(d, taps.data + j * kConvTile + channel);
    }
    bias = hn::Load(d, taps.data + width() * kConvTile + channel);
  }
  HWY_INLINE int64_t width() const { return kWidth == 0 ? runtime_width : kWidth; }

  // rows: the window row that the first tap multiplies, at this channel.
  HWY_INLINE Vector correlate(const float* rows) const {
    const Tag d;
    Vector sum = bias;
    for (int64_t j = 0; j < width(); ++j) {
      sum = hn::MulAdd(tap[j], hn::Load(d, rows + j * kConvTile), sum);
    }
    return sum;
  }
};

}  // namespace
}  // namespace vim::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // toggling guard
