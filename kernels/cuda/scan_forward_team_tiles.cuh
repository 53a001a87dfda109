// How tiles come to a walk by teams (scan_forward_team.cuh): the warp's shared memory, and the
// copies into it, by addresses that each lane keeps.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/cuda/scan_forward_tiles.cuh"

namespace vim::kernels::VIM_CUDA_NAMESPACE {
namespace {

constexpr int kTeamTiles = 3;  // the one being walked and two that come

/// One warp's shared memory.
template <typename Form, int kSteps>
struct ForwardTeamShared : ForwardTilesShared<Form, kSteps, kTeamTiles> {
  using typename ForwardTilesShared<Form, kSteps, kTeamTiles>::T;
  static constexpr int kTokens = ForwardTilesShared<Form, kSteps, kTeamTiles>::kTokens;
  // Tokens of a group: with more, pairs of lanes spill.
  static constexpr int kGroup =
      sizeof(T) == 2 && Form::kWalkWarps == 1 ? 2 * Form::kChannelLanes : kTokens / 2;

  /// What the walk takes of a group of tokens; absent tokens leave the states as they are.
  struct Ready {
    alignas(16) float2 items[kGroup / 2][Form::kChannels][2];  // dt, dt u of two tokens
    alignas(16) float bc[2][kGroup][Form::kPadded];
  };

  Ready ready[2];                                // the group being walked and the next
  alignas(16) float sums[2][kGroup][kWarpSize];  // of C h over a lane's states
};

/// The tiles of a warp's walk, three of them, and what a lane copies into each.
template <typename Form, int kRankSteps>
class ForwardTeamTiles : public ForwardTiles<Form, ForwardTeamShared<Form, kRankSteps>> {
 protected:
  using Shared = ForwardTeamShared<Form, kRankSteps>;

 private:
  using Tiles = ForwardTiles<Form, Shared>;

 protected:
  using Tiles::kCopy;
  using Tiles::kTokens;
  using Tiles::params_;
  using Tiles::shared_;
  using Tiles::thread_;
  using Tiles::warp_;
  using typename Tiles::T;
  using typename Tiles::Tile;

  // A tile's channels of u and delta, or z and sums, are copied by all lanes at once, or each
  // tensor's are.
  static constexpr int kRowCopies = Form::kChannels / kCopy;
  static constexpr int kTensorCopies = kTokens * kRowCopies;
  static constexpr int kTensors = kWarpSize / kTensorCopies;  // that are copied at once
  static constexpr int kStateCopies = Form::kPadded / 4;      // of a row
  static_assert(kTensors == 1 || kTensors == 2, "two or four lanes a channel");
  static_assert(
      offsetof(Tile, delta) == sizeof(Tile::u) &&
          offsetof(Tile, sums) == offsetof(Tile, z) + sizeof(Tile::z),
      "of two tensors that are copied at once the second lies behind the first");

  __device__ ForwardTeamTiles(const ScanParams& params, const ScanWarp& warp)
      : Tiles(params, warp) {
    locate_copies();
  }

  /// From now on steps [begin, end) are walked.
  __device__ __forceinline__ void take(int begin, int end) {
    begin_ = begin;
    count_ = end - begin;
  }

  template <typename View>
  __device__ StepRows<T*> starting_at(const View& view, int64_t first, int row, int column) const {
    StepRows<T*> rows = walk_rows<T>(view, warp_, first);
    rows.origin = rows.at(row, column);
    return rows;
  }

  /// Starts to copy a tile whose first token is `first` steps behind the walk's begin: its B and C,
  /// then the rest; zeros for what does not exist.
  template <ForwardPhase kPhase>
  __device__ __forceinline__ void fetch_states(int at, int first) const {
    Tile& tile = tile_at(at);
    copy_states(B_, first, tile.B);
    if constexpr (kPhase != ForwardPhase::kStates) copy_states(C_, first, tile.C);
  }
  template <ForwardPhase kPhase>
  __device__ __forceinline__ void fetch_channels(int at, int first) const {
    Tile& tile = tile_at(at);
    copy_channels(inputs_[0], first, kRankSteps == 0 || !is_second_, tile.u);
    if constexpr (kRankSteps == 0 && kTensors == 1) {
      copy_channels(inputs_[1], first, true, tile.delta);
    } else if constexpr (kRankSteps > 0) {
      const int rank = static_cast<int>(params_.dt_rank);
      copy_rows<kCopy, true>(dt_input_, begin_ + first, begin_ + count_, rank, tile.dt_input);
    }
    constexpr bool kIsSecond = kPhase == ForwardPhase::kSecondHalf;
    if constexpr (finishes(kPhase)) {
      copy_channels(gates_[0], first, kIsSecond || !is_second_, tile.z);
      if constexpr (kIsSecond && kTensors == 1) copy_channels(gates_[1], first, true, tile.sums);
    }
    commit_copies();
  }

  /// Until a tile has come, of which one that was fetched after it need not have.
  __device__ __forceinline__ void await_tile(int at) const {
    wait_for_groups<1>();
    __syncwarp();
    if constexpr (kRankSteps > 0) {
      using Projection = DtProjection<T, kRankSteps, Form::kChannels>;
      Tile& tile = tile_at(at);
#pragma unroll
      for (int row = 0; row < kTokens; row += Projection::kTokens) {
        this->projection_.apply(tile.dt_input + row, tile.delta + row);
      }
      __syncwarp();
    }
  }

  int begin_ = 0;  // steps being walked
  int count_ = 0;

 private:
  __device__ __forceinline__ Tile& tile_at(int at) const {
    return *reinterpret_cast<Tile*>(reinterpret_cast<T*>(shared_.tiles) + at);
  }

  // Where this lane's share of the copies comes from.
  __device__ void locate_copies() {
    const ScanDirection& in = params_.direction[warp_.direction];
    const int place = thread_ % kTensorCopies;
    copy_row_ = place / kRowCopies;
    const int column = place % kRowCopies * kCopy;
    copies_columns_ = column < warp_.num_channels;
    const auto locate = [&](const auto& view) {
      return starting_at(view, warp_.first_channel, copy_row_, column);
    };
    const StepRows<T*> u = locate(in.u);
    const StepRows<T*> delta = kRankSteps == 0 ? locate(in.delta) : u;
    const StepRows<T*> z = locate(params_.z);
    const StepRows<T*> sums = locate(this->sums_view());
    is_second_ = kTensors == 2 && thread_ >= kTensorCopies;
    inputs_[0] = is_second_ ? delta : u;
    gates_[0] = is_second_ ? sums : z;
    if constexpr (kTensors == 1) {
      inputs_[1] = delta;
      gates_[1] = sums;
    }
    const int64_t first_state = warp_.group * Form::kPadded;
    const int row = thread_ / kStateCopies;
    const int state = thread_ % kStateCopies * 4;
    if constexpr (kRankSteps > 0) dt_input_ = walk_rows<T>(in.dt_input, warp_, 0);
    B_ = starting_at(in.B, first_state, row, state);
    C_ = starting_at(in.C, first_state, row, state);
  }

  __device__ __forceinline__ void copy_channels(
      const StepRows<T*>& from, int first, bool is_there, T (&to)[kTokens][Form::kChannels]) const {
    const bool exists = is_there && copies_columns_ && first + copy_row_ < count_;
    copy_async<16>(&to[0][0] + thread_ * kCopy, from.at(begin_ + first, 0), exists);
  }

  __device__ __forceinline__ void copy_states(
      const StepRows<T*>& from, int first, T (&to)[kTokens][Form::kPadded]) const {
    constexpr int kRows = kWarpSize / kStateCopies;  // that are copied at once
#pragma unroll
    for (int row = 0; row < kTokens; row += kRows) {
      const bool exists = first + row + thread_ / kStateCopies < count_;
      copy_async<4 * sizeof(T)>(
          &to[row][0] + thread_ * 4, from.at(begin_ + first + row, 0), exists);
    }
  }

  // What the lane copies into a tile.
  StepRows<T*> inputs_[kTensors == 2 ? 1 : 2];
  StepRows<T*> gates_[kTensors == 2 ? 1 : 2];
  StepRows<T*> dt_input_;
  StepRows<T*> B_;
  StepRows<T*> C_;
  int copy_row_;
  bool copies_columns_;
  bool is_second_;  // of two tensors that are copied at once
};

}  // namespace
}  // namespace vim::kernels::VIM_CUDA_NAMESPACE
