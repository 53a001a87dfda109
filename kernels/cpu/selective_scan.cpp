// Entry points of the selective scan on the CPU: checks, row geometry, workspace layout, the choice
// between the scalar and the vectorised version, and the reduction of the backward's partial sums.
#include "kernels/selective_scan.h"

#include <algorithm>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>

#include "kernels/cpu/backend_state.h"
#include "kernels/cpu/check.h"
#include "kernels/cpu/selective_scan_impl.h"
#include "kernels/storage.h"

namespace vim::kernels {
namespace {

constexpr int64_t kReduceTokens = 64;  // tokens of one reduction row of dB and dC

int64_t divide_up(int64_t value, int64_t divisor) { return (value + divisor - 1) / divisor; }

void check(bool holds, const char* name, const char* expected, int64_t actual) {
  if (!holds) {
    throw std::invalid_argument(
        std::string("selective_scan: ") + name + " must be " + expected + ", got " +
        std::to_string(actual));
  }
}

void check_params(const ScanParams& params) {
  check(params.batch >= 0, "batch", "at least 0", params.batch);
  check(params.seqlen >= 1, "seqlen", "at least 1", params.seqlen);
  check(params.d_inner >= 1, "d_inner", "at least 1", params.d_inner);
  check(params.dt_rank == 0, "dt_rank", "0, with delta given, on the CPU", params.dt_rank);
  check(
      params.d_state >= 1 && params.d_state <= kMaxScanStates,
      "d_state",
      "1 to 256",
      params.d_state);
  check(
      params.groups >= 1 && params.d_inner % params.groups == 0,
      "groups",
      "a divisor of d_inner",
      params.groups);
  check(
      params.num_directions >= 1 && params.num_directions <= kMaxDirections,
      "num_directions",
      "1 or 2",
      params.num_directions);
}

int64_t reduce_rows_per_sample(const ScanParams& params) {
  return divide_up(params.seqlen, kReduceTokens);
}

/// dB or dC of one sample, direction and group for tokens [begin, end): the sum over the group's
/// tiles.
template <typename Storage>
void reduce_tokens(
    const ScanParams& params,
    const float* first_tile,
    MutableTokenView view,
    ScanTile tile,
    RowRange tokens) {
  const int64_t tile_stride = params.num_directions * 2 * params.seqlen * params.d_state;
  const int64_t num_tiles = scan_tiles_per_group(params);
  for (int64_t t = tokens.begin; t < tokens.end; ++t) {
    Storage* out = static_cast<Storage*>(view.data) + tile.batch * view.batch_stride +
                   t * view.token_stride + tile.group * params.d_state;
    const float* partial = first_tile + t * params.d_state;
    for (int64_t n = 0; n < params.d_state; ++n) {
      float sum = 0.0F;
      for (int64_t i = 0; i < num_tiles; ++i) sum += partial[i * tile_stride + n];
      out[n] = from_float<Storage>(sum);
    }
  }
}

void reduce_sample(const ScanBackwardParams& params, int64_t batch, RowRange tokens) {
  const ScanParams& forward = params.forward;
  const ScanWorkspace workspace(params);
  const int64_t tiles = scan_tiles_per_group(forward);
  visit_dtype(forward.dtype, [&](auto storage) {
    using Storage = decltype(storage);
    for (int i = 0; i < forward.num_directions; ++i) {
      for (int64_t group = 0; group < forward.groups; ++group) {
        const int64_t row = (batch * forward.groups + group) * tiles;
        const ScanTile tile = scan_tile(forward, row);
        reduce_tokens<Storage>(forward, workspace.dB(row, i), params.grads[i].dB, tile, tokens);
        reduce_tokens<Storage>(forward, workspace.dC(row, i), params.grads[i].dC, tile, tokens);
      }
    }
  });
}

/// out[begin, end) = the sum over the batch of partials that lie `stride` floats apart.
void reduce_batch(const float* partial, int64_t batch, int64_t stride, float* out, RowRange range) {
  if (out == nullptr) return;
  std::fill(out + range.begin, out + range.end, 0.0F);
  for (int64_t b = 0; b < batch; ++b) {
    const float* sample = partial + b * stride;
    for (int64_t i = range.begin; i < range.end; ++i) out[i] += sample[i];
  }
}

void reduce_channels(const ScanBackwardParams& params, RowRange channels) {
  const ScanParams& forward = params.forward;
  const ScanWorkspace workspace(params);
  const int64_t d_state = forward.d_state;
  const int64_t stride = forward.num_directions * forward.d_inner;
  const RowRange entries{channels.begin * d_state, channels.end * d_state};
  for (int i = 0; i < forward.num_directions; ++i) {
    const ScanDirectionGrads& grads = params.grads[i];
    reduce_batch(workspace.dA(0, i), forward.batch, stride * d_state, grads.dA, entries);
    const float* A = forward.direction[i].A;
    for (int64_t n = entries.begin; params.dA_of_log && n < entries.end; ++n) grads.dA[n] *= A[n];
    reduce_batch(workspace.dD(0, i), forward.batch, stride, grads.dD, channels);
    reduce_batch(workspace.ddelta_bias(0, i), forward.batch, stride, grads.ddelta_bias, channels);
  }
}

}  // namespace

int64_t scan_tiles_per_group(const ScanParams& params) {
  return divide_up(params.d_inner / params.groups, kScanTile);
}

ScanTile scan_tile(const ScanParams& params, int64_t row) {
  const int64_t per_group = scan_tiles_per_group(params);
  const int64_t group_channels = params.d_inner / params.groups;
  const int64_t offset = row % per_group * kScanTile;
  ScanTile tile;
  tile.batch = row / (per_group * params.groups);
  tile.group = row / per_group % params.groups;
  tile.begin = tile.group * group_channels + offset;
  tile.width = std::min(kScanTile, group_channels - offset);
  return tile;
}

ScanWorkspace::ScanWorkspace(const ScanBackwardParams& params)
    : base_(static_cast<float*>(params.workspace)),
      num_directions_(params.forward.num_directions),
      d_inner_(params.forward.d_inner),
      d_state_(params.forward.d_state),
      row_stride_(params.forward.seqlen * params.forward.d_state),
      num_row_slots_(selective_scan_num_rows(params.forward) * num_directions_),
      num_batch_slots_(params.forward.batch * num_directions_) {}

float* ScanWorkspace::dB(int64_t row, int direction) const {
  return base_ + (row * num_directions_ + direction) * 2 * row_stride_;
}

float* ScanWorkspace::dC(int64_t row, int direction) const {
  return dB(row, direction) + row_stride_;
}

float* ScanWorkspace::dA(int64_t batch, int direction) const {
  return base_ + num_row_slots_ * 2 * row_stride_ +
         (batch * num_directions_ + direction) * d_inner_ * d_state_;
}

float* ScanWorkspace::dD(int64_t batch, int direction) const {
  return base_ + num_row_slots_ * 2 * row_stride_ + num_batch_slots_ * d_inner_ * d_state_ +
         (batch * num_directions_ + direction) * d_inner_;
}

float* ScanWorkspace::ddelta_bias(int64_t batch, int direction) const {
  return dD(batch, direction) + num_batch_slots_ * d_inner_;
}

size_t ScanWorkspace::size_bytes() const {
  const int64_t rows = num_row_slots_ * 2 * row_stride_;
  return sizeof(float) * static_cast<size_t>(rows + num_batch_slots_ * d_inner_ * (d_state_ + 2));
}

float* scan_scratch(size_t count) {
  struct AlignedDelete {
    void operator()(float* data) const { ::operator delete[](data, std::align_val_t{64}); }
  };
  thread_local std::unique_ptr<float[], AlignedDelete> buffer;
  thread_local size_t capacity = 0;
  if (count > capacity) {
    capacity = 0;
    buffer.reset();
    buffer.reset(
        static_cast<float*>(::operator new[](count * sizeof(float), std::align_val_t{64})));
    capacity = count;
  }
  return buffer.get();
}

int64_t selective_scan_num_rows(const ScanParams& params) {
  check_params(params);
  return params.batch * params.groups * scan_tiles_per_group(params);
}

void selective_scan_forward(const ScanParams& params, RowRange rows) {
  check_rows("selective_scan_forward", rows, selective_scan_num_rows(params));
  if (scalar_backend_selected()) {
    scalar::selective_scan_forward(params, rows);
  } else {
    simd::selective_scan_forward(params, rows);
  }
}

size_t selective_scan_backward_workspace_size(const ScanBackwardParams& params) {
  return ScanWorkspace(params).size_bytes();
}

void selective_scan_backward(const ScanBackwardParams& params, RowRange rows) {
  check_rows("selective_scan_backward", rows, selective_scan_num_rows(params.forward));
  check_present("selective_scan_backward: workspace", params.workspace);
  if (scalar_backend_selected()) {
    scalar::selective_scan_backward(params, rows);
  } else {
    simd::selective_scan_backward(params, rows);
  }
}

int64_t selective_scan_backward_reduce_num_rows(const ScanBackwardParams& params) {
  const ScanParams& forward = params.forward;
  return forward.batch * reduce_rows_per_sample(forward) + divide_up(forward.d_inner, kScanTile);
}

void selective_scan_backward_reduce(const ScanBackwardParams& params, RowRange rows) {
  const ScanParams& forward = params.forward;
  const int64_t per_sample = reduce_rows_per_sample(forward);
  const int64_t num_token_rows = forward.batch * per_sample;
  for (int64_t row = rows.begin; row < rows.end; ++row) {
    if (row < num_token_rows) {
      const int64_t begin = row % per_sample * kReduceTokens;
      reduce_sample(
          params, row / per_sample, {begin, std::min(begin + kReduceTokens, forward.seqlen)});
    } else {
      const int64_t begin = (row - num_token_rows) * kScanTile;
      reduce_channels(params, {begin, std::min(begin + kScanTile, forward.d_inner)});
    }
  }
}

}  // namespace vim::kernels
