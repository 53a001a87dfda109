// The forward of the selective scan where rows are few, and of the chunks of a cut sequence, in the
// model's own case (ScanForm::kIsPlain): a team of two or four lanes shares a channel, so that
// there are as many times more warps as with a channel a lane. With so few warps nothing else hides
// what a warp waits for, so it works on three groups of tokens at once: it makes dt and what else
// the walk takes of the next group, walks one, and completes and writes the group before. Tiles
// come as scan_forward_tiles.cuh says, long before they are needed.
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
  static constexpr int kGroup = sizeof(T) == 2 ? 2 * Form::kChannelLanes : kTokens / 2;

  /// What the walk takes of a group of tokens; absent tokens leave the states as they are.
  struct Ready {
    alignas(16) float2 items[kGroup][Form::kChannels];  // dt, dt u
    alignas(16) float bc[2][kGroup][Form::kPadded];
  };

  Ready ready[2];                                // the group being walked and the next
  alignas(16) float sums[2][kGroup][kWarpSize];  // of C h over a lane's states
};

/// A warp's walk through its tokens.
template <typename Form, int kRankSteps>
class ForwardTeamWalk : public ForwardTiles<Form, ForwardTeamShared<Form, kRankSteps>> {
  using Shared = ForwardTeamShared<Form, kRankSteps>;
  using Tiles = ForwardTiles<Form, Shared>;
  using Tiles::kCopy;
  using Tiles::kTokens;
  using Tiles::params_;
  using Tiles::shared_;
  using Tiles::thread_;
  using Tiles::warp_;
  using typename Tiles::T;
  using typename Tiles::Tile;
  static constexpr int kLanes = Form::kChannelLanes;
  static constexpr int kGroup = Shared::kGroup;
  static constexpr int kTileGroups = kTokens / kGroup;
  // Of a group, a lane makes and completes one token of so many channels, and converts so many
  // states.
  static constexpr int kRowLanes = kWarpSize / kGroup;
  static constexpr int kPack = Form::kChannels / kRowLanes;
  static constexpr int kStatePack = 2 * kGroup * Form::kPadded / kWarpSize;
  // A tile's channels of u and delta, or z and sums, are copied by all lanes at once, or each
  // tensor's are.
  static constexpr int kRowCopies = Form::kChannels / kCopy;
  static constexpr int kTensorCopies = kTokens * kRowCopies;
  static constexpr int kTensors = kWarpSize / kTensorCopies;  // that are copied at once
  static constexpr int kStateCopies = Form::kPadded / 4;      // of a row
  static_assert(kTileGroups % 2 == 0, "a group's parity is the same in every tile");
  static_assert(kTensors == 1 || kTensors == 2, "two or four lanes a channel");
  static_assert(
      offsetof(Tile, delta) == sizeof(Tile::u) &&
          offsetof(Tile, sums) == offsetof(Tile, z) + sizeof(Tile::z),
      "of two tensors that are copied at once the second lies behind the first");

 public:
  __device__ ForwardTeamWalk(const ScanParams& params, const ScanWarp& warp, ScanLane<Form>& lane)
      : Tiles(params, warp),
        lane_(lane),
        row_(thread_ / kRowLanes),
        column_(thread_ % kRowLanes * kPack),
        sum_place_(lane.channel * kLanes + thread_ / Form::kChannels),
        has_sums_(this->has_sums()),
        has_out_(params.out.data != nullptr) {
    const ScanDirection& in = params.direction[warp.direction];
#pragma unroll
    for (int i = 0; i < kPack; ++i) {
      const int64_t channel = warp.first_channel + column_ + i;
      const bool exists = column_ + i < warp.num_channels;
      bias_[i] = exists ? in.delta_bias[channel] : 0.0F;
      D_[i] = exists && in.D != nullptr ? in.D[channel] : 0.0F;
    }
    locate_copies();
    sums_ = starting_at(this->sums_view(), warp.first_channel, row_, column_);
    out_ = starting_at(params.out, warp.first_channel, row_, column_);
    __syncwarp();
  }

  /// Takes steps [begin, end).
  template <ForwardPhase kPhase>
  __device__ __forceinline__ void run(int begin, int end) {
    begin_ = begin;
    count_ = end - begin;
    if (begin == end) {
      return;  // the second half of a single token
    }
    auto& tiles = shared_.tiles;
    // Places, not pointers: of pointers that change places nvcc 13.0 made wrong addresses.
    int now = 0;
    int next = 1;
    int other = 2;  // the tile before, then the one after the next
    fetch_tile<kPhase>(tiles[now], 0);
    fetch_tile<kPhase>(tiles[next], kTokens);
    await_tile(tiles[now]);
    keep<kPhase>(make<kPhase>(tiles[now], 0, 0), 0);
    __syncwarp();
    int first = 0;  // of the tile, behind begin
#pragma unroll 1
    for (; first < count_; first += kTokens) {
#pragma unroll
      for (int group = 0; group < kTileGroups; ++group) {
        if (group == 1) fetch_tile<kPhase>(tiles[other], first + 2 * kTokens);
        const bool is_last = group == kTileGroups - 1;
        if (is_last) await_tile(tiles[next]);
        step<kPhase>(tiles[is_last ? next : now], tiles[group == 0 ? other : now], first, group);
        __syncwarp();
      }
      const int before = now;
      now = next;
      next = other;
      other = before;
    }
    write<kPhase>(complete<kPhase>(tiles[other], kTileGroups - 1), first - kGroup);
    wait_for_copies();
    __syncwarp();
  }

 private:
  /// What a lane makes of a group that comes.
  struct Made {
    float items[2 * kPack];    // dt, dt u
    float states[kStatePack];  // of B or C
  };
  /// What a lane completes of a group that was walked.
  struct Completed {
    float sum[kPack];
    float out[kPack];
  };

  template <typename View>
  __device__ StepRows<T*> starting_at(const View& view, int64_t first, int row, int column) const {
    StepRows<T*> rows = walk_rows<T>(view, warp_, first);
    rows.origin = rows.at(row, column);
    return rows;
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
      const StepRows<T*>& from, int first, bool exists, T (&to)[kTokens][Form::kChannels]) const {
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

  // Starts to copy a tile whose first token is `first` steps behind the walk's begin; zeros for
  // what does not exist.
  template <ForwardPhase kPhase>
  __device__ __forceinline__ void fetch_tile(Tile& tile, int first) const {
    const bool exists = copies_columns_ && first + copy_row_ < count_;
    copy_channels(inputs_[0], first, exists && (kRankSteps == 0 || !is_second_), tile.u);
    if constexpr (kRankSteps == 0 && kTensors == 1) {
      copy_channels(inputs_[1], first, exists, tile.delta);
    } else if constexpr (kRankSteps > 0) {
      const int rank = static_cast<int>(params_.dt_rank);
      copy_rows<kCopy, true>(dt_input_, begin_ + first, begin_ + count_, rank, tile.dt_input);
    }
    constexpr bool kIsSecond = kPhase == ForwardPhase::kSecondHalf;
    if constexpr (finishes(kPhase)) {
      copy_channels(gates_[0], first, exists && (kIsSecond || !is_second_), tile.z);
      if constexpr (kIsSecond && kTensors == 1) copy_channels(gates_[1], first, exists, tile.sums);
    }
    copy_states(B_, first, tile.B);
    if constexpr (kPhase != ForwardPhase::kStates) copy_states(C_, first, tile.C);
    commit_copies();
  }

  // Until a tile has come, of which one that was fetched after it need not have.
  __device__ __forceinline__ void await_tile(Tile& tile) const {
    wait_for_groups<1>();
    __syncwarp();
    if constexpr (kRankSteps > 0) {
      this->projection_.apply(tile.dt_input, tile.delta);
      __syncwarp();
    }
  }

  // Walks a group, while the next one is made and the one before is completed. What it reads others
  // left before the last barrier; what it writes nobody reads before the next.
  template <ForwardPhase kPhase>
  __device__ __forceinline__ void step(
      const Tile& coming, const Tile& before, int first, int group) {
    const typename Shared::Ready& ready = shared_.ready[group % 2];
    float sums[kGroup];
#pragma unroll
    for (int i = 0; i < kGroup; ++i) {
      const float2 item = ready.items[i][lane_.channel];
      const float* B = &ready.bc[0][i][lane_.first_state];
      const float* C = &ready.bc[1][i][lane_.first_state];
      if constexpr (kPhase == ForwardPhase::kStates) {
        this->sum_dt_ += item.x;
        advance_states(lane_, item.x, item.y, B);
      } else {
        sums[i] = advance(lane_, item.x, item.y, B, C);
      }
    }
    const int next = group + 1;
    const Made made = make<kPhase>(coming, next % kTileGroups, first + next * kGroup);
    const Completed completed = complete<kPhase>(before, (group + kTileGroups - 1) % kTileGroups);
    keep<kPhase>(made, next % 2);
    if constexpr (kPhase != ForwardPhase::kStates) {
#pragma unroll
      for (int i = 0; i < kGroup; ++i) shared_.sums[group % 2][i][sum_place_] = sums[i];
    }
    write<kPhase>(completed, first + (group - 1) * kGroup);
  }

  // Of a group of a tile, whose first token is `first` steps behind the walk's begin.
  template <ForwardPhase kPhase>
  __device__ __forceinline__ Made make(const Tile& from, int group, int first) const {
    const int row = group * kGroup + row_;
    const bool exists = first + row_ < count_;
    float dt[kPack];
    float u[kPack];
    load_pack<kPack>(&from.delta[row][column_], dt);
    load_pack<kPack>(&from.u[row][column_], u);
    Made made;
#pragma unroll
    for (int i = 0; i < kPack; ++i) {
      const float softplus = scan_softplus<T>(dt[i] + bias_[i]);
      made.items[2 * i] = exists ? softplus : 0.0F;
      made.items[2 * i + 1] = made.items[2 * i] * u[i];
    }
    const StatePlace place = state_place();
    if (place.which == 0 || kPhase != ForwardPhase::kStates) {
      const auto& states = place.which == 0 ? from.B : from.C;
      load_pack<kStatePack>(&states[group * kGroup + place.row][place.state], made.states);
    }
    return made;
  }

  template <ForwardPhase kPhase>
  __device__ __forceinline__ void keep(const Made& made, int parity) const {
    typename Shared::Ready& ready = shared_.ready[parity];
    store_pack<2 * kPack>(made.items, &ready.items[row_][column_].x);
    const StatePlace place = state_place();
    if (place.which == 0 || kPhase != ForwardPhase::kStates) {
      store_pack<kStatePack>(made.states, &ready.bc[place.which][place.row][place.state]);
    }
  }

  // The states of B (which 0) or C of a group's row that a lane converts.
  struct StatePlace {
    int which;
    int row;
    int state;
  };
  __device__ __forceinline__ StatePlace state_place() const {
    constexpr int kStateLanes = Form::kPadded / kStatePack;
    return {
        thread_ / (kWarpSize / 2),
        thread_ / kStateLanes % kGroup,
        thread_ % kStateLanes * kStatePack};
  }

  template <ForwardPhase kPhase>
  __device__ __forceinline__ Completed complete(const Tile& from, int group) const {
    Completed completed = {};
    if (kPhase == ForwardPhase::kStates) {
      return completed;
    }
    const int row = group * kGroup + row_;
    float parts[kPack * kLanes];
    load_pack<kPack * kLanes>(&shared_.sums[group % 2][row_][column_ * kLanes], parts);
    float y[kPack];
    load_pack<kPack>(&from.u[row][column_], y);
    float other[kPack] = {};
    if (kPhase == ForwardPhase::kSecondHalf) load_pack<kPack>(&from.sums[row][column_], other);
    float z[kPack] = {};
    if (finishes(kPhase)) load_pack<kPack>(&from.z[row][column_], z);
#pragma unroll
    for (int i = 0; i < kPack; ++i) {
      float sum = parts[i * kLanes];
#pragma unroll
      for (int k = 1; k < kLanes; ++k) sum += parts[i * kLanes + k];
      completed.sum[i] = fmaf(D_[i], y[i], sum) + other[i];
      if (finishes(kPhase)) {
        completed.out[i] = completed.sum[i] * params_.scale * (z[i] * scan_sigmoid<T>(z[i]));
      }
    }
    return completed;
  }

  // A group whose first token is `first` steps behind the walk's begin, or before it.
  template <ForwardPhase kPhase>
  __device__ __forceinline__ void write(const Completed& completed, int first) const {
    if (kPhase == ForwardPhase::kStates) {
      return;
    }
    const bool exists = static_cast<unsigned>(first + row_) < static_cast<unsigned>(count_) &&
                        column_ < warp_.num_channels;
    const int step = begin_ + first;
    if (exists && (!finishes(kPhase) || has_sums_)) {
      store_pack<kPack>(completed.sum, sums_.at(step, 0));
    }
    if (finishes(kPhase) && exists && has_out_) {
      store_pack<kPack>(completed.out, out_.at(step, 0));
    }
  }

  ScanLane<Form>& lane_;
  int row_;  // the lane's token of a group, and its first channel there
  int column_;
  int sum_place_;  // of the lane's share of a token's sums
  bool has_sums_;
  bool has_out_;
  int begin_ = 0;  // steps being walked
  int count_ = 0;
  float bias_[kPack];
  float D_[kPack];
  // What the lane copies into a tile, and completes: from its own row and column on.
  StepRows<T*> inputs_[kTensors == 2 ? 1 : 2];
  StepRows<T*> gates_[kTensors == 2 ? 1 : 2];
  StepRows<T*> dt_input_;
  StepRows<T*> B_;
  StepRows<T*> C_;
  StepRows<T*> sums_;
  StepRows<T*> out_;
  int copy_row_;
  bool copies_columns_;
  bool is_second_;  // of two tensors that are copied at once
};

template <typename Form, int kRankSteps>
__global__ void __launch_bounds__(kMaxDirections* kWarpSize, 6)
    scan_forward_team_kernel(ScanParams params, ScanSplit split) {
  static_assert(Form::kIsPlain && Form::kChannelLanes > 1, "a channel a team of lanes");
  forward_by_walk<ForwardTeamWalk<Form, kRankSteps>, Form>(params, split);
}

}  // namespace
}  // namespace vim::kernels::VIM_CUDA_NAMESPACE
