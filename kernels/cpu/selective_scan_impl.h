// What the CPU versions of the selective scan share: the row geometry, the workspace layout and the
// signatures of the two implementations.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/selective_scan.h"

namespace vim::kernels {

/// Channels of a tile. A constant, so that results depend neither on the SIMD target nor on
/// threads.
inline constexpr int64_t kScanTile = 64;

/// The channels [begin, begin + width) of one sample that one row handles; all of them use `group`.
struct ScanTile {
  int64_t batch = 0;
  int64_t group = 0;
  int64_t begin = 0;
  int64_t width = 0;
};

/// Tiles of one group: a tile never straddles two groups, so that its B and C are one sequence.
int64_t scan_tiles_per_group(const ScanParams& params);

/// The tile of a row of selective_scan_num_rows.
ScanTile scan_tile(const ScanParams& params, int64_t row);

/// Token at step `step` of the walk.
inline int64_t walk_token(const ScanParams& params, int direction, int64_t step) {
  return params.direction[direction].reversed ? params.seqlen - 1 - step : step;
}

/// True where dz (and out) can be finished after direction `direction`: y of all directions that
/// count for dz is then complete.
inline bool finishes_dz(const ScanBackwardParams& params, int direction) {
  const int last = params.gate_defect ? 0 : params.forward.num_directions - 1;
  return params.dz.data != nullptr && direction == last;
}

/// Where the partial sums of the backward lie in the workspace, all float:
///   dB, dC             (row, direction, seqlen, d_state), summed over the tile's channels
///   dA                 (batch, direction, d_inner, d_state), summed over the tokens
///   dD, ddelta_bias    (batch, direction, d_inner), summed over the tokens
class ScanWorkspace {
 public:
  explicit ScanWorkspace(const ScanBackwardParams& params);

  float* dB(int64_t row, int direction) const;
  float* dC(int64_t row, int direction) const;
  float* dA(int64_t batch, int direction) const;
  float* dD(int64_t batch, int direction) const;
  float* ddelta_bias(int64_t batch, int direction) const;
  size_t size_bytes() const;

 private:
  float* base_;
  int64_t num_directions_;
  int64_t d_inner_;
  int64_t d_state_;
  int64_t row_stride_;  // seqlen * d_state
  int64_t num_row_slots_;
  int64_t num_batch_slots_;
};

/// Returns 64-byte aligned scratch of at least `count` floats owned by the calling thread. Its
/// contents are lost at the thread's next call; it is kept, at the largest size asked for, until
/// the thread ends.
float* scan_scratch(size_t count);

namespace scalar {
void selective_scan_forward(const ScanParams& params, RowRange rows);
void selective_scan_backward(const ScanBackwardParams& params, RowRange rows);
}  // namespace scalar

namespace simd {
void selective_scan_forward(const ScanParams& params, RowRange rows);
void selective_scan_backward(const ScanBackwardParams& params, RowRange rows);
}  // namespace simd

}  // namespace vim::kernels
