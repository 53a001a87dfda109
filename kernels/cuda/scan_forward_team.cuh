// The forward of the selective scan where rows are few, and of the chunks of a cut sequence, in the
// model's own case (ScanForm::kIsPlain): a team of two or four lanes shares a channel, so that
// there are as many times more warps as with a channel a lane. With so few warps nothing else hides
// what a warp waits for, so it works on three groups of tokens at once: it makes dt and what else
// the walk takes of the next group, walks one, and completes and writes the group before. With two
// warps a walk (ScanForm::kWalkWarps) one of them walks and the other, the helper, does the rest.
// Tiles come as scan_forward_team_tiles.cuh says, long before they are needed.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/cuda/scan_forward_team_tiles.cuh"

namespace vim::kernels::VIM_CUDA_NAMESPACE {
namespace {

/// A warp's walk through its tokens.
template <typename Form, int kRankSteps>
class ForwardTeamWalk : public ForwardTeamTiles<Form, kRankSteps> {
  using Tiles = ForwardTeamTiles<Form, kRankSteps>;
  using Tiles::begin_;
  using Tiles::count_;
  using Tiles::kTokens;
  using Tiles::params_;
  using Tiles::shared_;
  using Tiles::thread_;
  using Tiles::warp_;
  using typename Tiles::Shared;
  using typename Tiles::T;
  using typename Tiles::Tile;
  static constexpr int kLanes = Form::kChannelLanes;
  static constexpr bool kIsHelped = Form::kWalkWarps == 2;
  static constexpr int kGroup = Shared::kGroup;
  static constexpr int kTileGroups = kTokens / kGroup;
  // Of a group, a lane makes and completes one token of so many channels, and converts so many
  // states.
  static constexpr int kRowLanes = kWarpSize / kGroup;
  static constexpr int kPack = Form::kChannels / kRowLanes;
  static constexpr int kStatePack = 2 * kGroup * Form::kPadded / kWarpSize;
  // Orders of the fours of states in a row of B or C, so that lanes write to different banks.
  static constexpr int kTurns = Form::kLaneStates == 4 ? 4 : 1;
  // Accesses to the sums that a lane completes; in each token's row they have another order, so
  // that lanes of different rows read different banks.
  static constexpr int kSumPacks = kPack * kLanes / 4;
  // Where tensors lie in a tile, behind u.
  static constexpr int kDelta = offsetof(Tile, delta) / sizeof(T);
  static constexpr int kZ = offsetof(Tile, z) / sizeof(T);
  static constexpr int kSums = offsetof(Tile, sums) / sizeof(T);
  static_assert(kTileGroups % 2 == 0, "a group's parity is the same in every tile");

 public:
  __device__ ForwardTeamWalk(const ScanParams& params, const ScanWarp& warp, ScanLane<Form>& lane)
      : Tiles(params, warp),
        lane_(lane),
        row_(thread_ / kRowLanes),
        column_(thread_ % kRowLanes * kPack),
        own_(&shared_.tiles[0].u[row_][column_]),
        has_sums_(this->has_sums()),
        has_out_(params.out.data != nullptr),
        helps_(!kIsHelped || threadIdx.x / kWarpSize % 2 == 1) {
    const ScanDirection& in = params.direction[warp.direction];
#pragma unroll
    for (int i = 0; i < kPack; ++i) {
      const int64_t channel = warp.first_channel + column_ + i;
      const bool exists = column_ + i < warp.num_channels;
      bias_[i] = exists ? in.delta_bias[channel] : 0.0F;
      D_[i] = exists && in.D != nullptr ? in.D[channel] : 0.0F;
    }
    locate_group();
    sums_ = this->starting_at(this->sums_view(), warp.first_channel, row_, column_);
    out_ = this->starting_at(params.out, warp.first_channel, row_, column_);
    __syncwarp();
  }

  /// Takes steps [begin, end).
  template <ForwardPhase kPhase>
  __device__ __forceinline__ void run(int begin, int end) {
    this->take(begin, end);
    if (!kIsHelped && begin == end) {
      return;  // the second half of a single token
    }
    // Warps of a block that wait for one another walk equally long.
    const int longest =
        kIsHelped && kPhase != ForwardPhase::kOnly ? (warp_.num_tokens() + 1) / 2 : count_;
    num_rows_ = column_ < warp_.num_channels ? count_ : 0;
    // Not by at(): a group's offset may be wider than 32 bits where tokens are few.
    y_to_ = sums_.origin + int64_t{begin - kGroup} * sums_.stride;
    out_to_ = out_.origin + int64_t{begin - kGroup} * out_.stride;
    // Where the tiles lie, not pointers: of pointers that change places nvcc 13.0 made wrong
    // addresses.
    constexpr int kTile = sizeof(Tile) / sizeof(T);
    int now = 0;
    int next = kTile;
    int other = 2 * kTile;  // the tile before, then the one after the next
    if (helps_) {
      this->template fetch_states<kPhase>(now, 0);
      this->template fetch_channels<kPhase>(now, 0);
      this->template fetch_states<kPhase>(next, kTokens);
      this->template fetch_channels<kPhase>(next, kTokens);
      this->await_tile(now);
      keep<kPhase>(make<kPhase>(now, 0, 0), 0);
    }
    wait_for_warps();
    int first = 0;  // of the tile, behind begin
#pragma unroll 1
    for (; first < longest; first += kTokens) {
#pragma unroll
      for (int group = 0; group < kTileGroups; ++group) {
        const bool is_last = group == kTileGroups - 1;
        if (helps_) {
          if (group == 0) this->template fetch_states<kPhase>(other, first + 2 * kTokens);
          if (group == 1) this->template fetch_channels<kPhase>(other, first + 2 * kTokens);
          if (is_last) this->await_tile(next);
        }
        step<kPhase>(is_last ? next : now, group == 0 ? other : now, first, group);
        wait_for_warps();
      }
      const int before = now;
      now = next;
      next = other;
      other = before;
    }
    if (helps_) {
      write<kPhase>(complete<kPhase>(other, kTileGroups - 1), first - kGroup);
      wait_for_copies();
    }
    __syncwarp();
  }

  /// Whether the warp is the one of a walk that holds its states.
  __device__ bool has_states() const { return !kIsHelped || !helps_; }

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

  __device__ __forceinline__ static void wait_for_warps() {
    if constexpr (kIsHelped) {
      __syncthreads();
    } else {
      __syncwarp();
    }
  }

  // Where in shared memory the lane's share of a group is: of dt and dt u, of B (half of the lanes)
  // or C, and of the sums.
  __device__ void locate_group() {
    items_to_ = column_ ^ ((row_ / 2 * Form::kChannels / 8 + column_ / 8) % kPack);
#pragma unroll
    for (int i = 0; i < kPack; ++i) items_[i] = lane_.channel ^ ((i + lane_.channel / 8) % kPack);

    constexpr int kStateLanes = Form::kPadded / kStatePack;
    const bool is_C = thread_ >= kWarpSize / 2;
    const int row = thread_ / kStateLanes % kGroup;
    const int state = thread_ % kStateLanes * kStatePack;
    const Tile& tile = shared_.tiles[0];
    own_states_ = &(is_C ? tile.C : tile.B)[row][state];
    states_to_ = (is_C * kGroup + row) * Form::kPadded + (state ^ (row / 2 % kTurns * 4));
#pragma unroll
    for (int i = 0; i < kTurns; ++i) states_[i] = lane_.first_state ^ (i * 4);

    const int sum = lane_.channel * kLanes + thread_ / Form::kChannels;
    const int first_part = column_ * kLanes / 4 + row_ % kSumPacks;
#pragma unroll
    for (int i = 0; i < kSumPacks; ++i) {
      sums_to_[i] = &shared_.sums[0][0][sum ^ (i * 4)];
      parts_[i] = &shared_.sums[0][row_][(first_part ^ i) * 4];
    }
  }

  // Walks a group, while the next one is made and the one before is completed. What it reads others
  // left before the last barrier; what it writes nobody reads before the next.
  template <ForwardPhase kPhase>
  __device__ __forceinline__ void step(int coming, int before, int first, int group) {
    const int next = group + 1;
    const auto serve = [&](auto between) {
      const Made made = make<kPhase>(coming, next % kTileGroups, first + next * kGroup);
      const Completed completed = complete<kPhase>(before, (group + kTileGroups - 1) % kTileGroups);
      keep<kPhase>(made, next % 2);
      between();
      write<kPhase>(completed, first + (group - 1) * kGroup);
    };
    if constexpr (kIsHelped) {
      if (helps_) {
        serve([] {});
      } else {
        float sums[kGroup];
        walk<kPhase>(group, sums);
        leave_sums<kPhase>(group, sums);
      }
    } else {
      float sums[kGroup];
      walk<kPhase>(group, sums);
      serve([&] { leave_sums<kPhase>(group, sums); });
    }
  }

  template <ForwardPhase kPhase>
  __device__ __forceinline__ void walk(int group, float (&sums)[kGroup]) {
    const typename Shared::Ready& ready = shared_.ready[group % 2];
#pragma unroll
    for (int i = 0; i < kGroup; i += 2) {
      float items[4];
      load_pack<4>(&ready.items[i / 2][items_[i / 2 * Form::kChannels / 8 % kPack]][0].x, items);
#pragma unroll
      for (int k = 0; k < 2; ++k) {
        sums[i + k] = advance_token<kPhase>(ready, i + k, items[2 * k], items[2 * k + 1]);
      }
    }
  }

  template <ForwardPhase kPhase>
  __device__ __forceinline__ void leave_sums(int group, const float (&sums)[kGroup]) const {
    if constexpr (kPhase != ForwardPhase::kStates) {
#pragma unroll
      for (int i = 0; i < kGroup; ++i) {
        sums_to_[i % kSumPacks][(group % 2 * kGroup + i) * kWarpSize] = sums[i];
      }
    }
  }

  // The lane's share of C h after a token of a group.
  template <ForwardPhase kPhase>
  __device__ __forceinline__ float advance_token(
      const typename Shared::Ready& ready, int token, float dt, float input) {
    const int state = states_[token / 2 % kTurns];
    const float* B = &ready.bc[0][token][state];
    if constexpr (kPhase == ForwardPhase::kStates) {
      this->sum_dt_ += dt;
      advance_states(lane_, dt, input, B);
      return 0.0F;
    } else {
      return advance(lane_, dt, input, B, &ready.bc[1][token][state]);
    }
  }

  // Of a group of a tile, whose first token is `first` steps behind the walk's begin.
  template <ForwardPhase kPhase>
  __device__ __forceinline__ Made make(int tile, int group, int first) const {
    const T* from = own_ + tile + group * kGroup * Form::kChannels;
    const bool exists = first + row_ < count_;
    float dt[kPack];
    float u[kPack];
    load_pack<kPack>(from + kDelta, dt);
    load_pack<kPack>(from, u);
    Made made;
#pragma unroll
    for (int i = 0; i < kPack; ++i) {
      const float softplus = scan_softplus<T>(dt[i] + bias_[i]);
      made.items[2 * i] = exists ? softplus : 0.0F;
      made.items[2 * i + 1] = made.items[2 * i] * u[i];
    }
    if (thread_ < kWarpSize / 2 || kPhase != ForwardPhase::kStates) {
      load_pack<kStatePack>(own_states_ + tile + group * kGroup * Form::kPadded, made.states);
    }
    return made;
  }

  template <ForwardPhase kPhase>
  __device__ __forceinline__ void keep(const Made& made, int parity) const {
    typename Shared::Ready& ready = shared_.ready[parity];
#pragma unroll
    for (int i = 0; i < kPack; ++i) {
      const float item[2] = {made.items[2 * i], made.items[2 * i + 1]};
      store_pack<2>(item, &ready.items[row_ / 2][items_to_ ^ i][row_ % 2].x);
    }
    if (thread_ < kWarpSize / 2 || kPhase != ForwardPhase::kStates) {
#pragma unroll
      for (int i = 0; i < kStatePack; i += 4) {
        const float states[4] = {
            made.states[i], made.states[i + 1], made.states[i + 2], made.states[i + 3]};
        store_pack<4>(states, &ready.bc[0][0][0] + (states_to_ ^ i));
      }
    }
  }

  template <ForwardPhase kPhase>
  __device__ __forceinline__ Completed complete(int tile, int group) const {
    Completed completed = {};
    if (kPhase == ForwardPhase::kStates) {
      return completed;
    }
    const T* from = own_ + tile + group * kGroup * Form::kChannels;
    float parts[kPack * kLanes];
#pragma unroll
    for (int i = 0; i < kSumPacks; ++i) {
      float pack[4];
      load_pack<4>(parts_[i] + group % 2 * kGroup * kWarpSize, pack);
#pragma unroll
      for (int k = 0; k < 4; ++k) parts[4 * i + k] = pack[k];
    }
    float y[kPack];
    load_pack<kPack>(from, y);
    float other[kPack] = {};
    if (kPhase == ForwardPhase::kSecondHalf) load_pack<kPack>(from + kSums, other);
    float z[kPack] = {};
    if (finishes(kPhase)) load_pack<kPack>(from + kZ, z);
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
  __device__ __forceinline__ void write(const Completed& completed, int first) {
    if (kPhase == ForwardPhase::kStates) {
      return;
    }
    const bool exists = static_cast<unsigned>(first + row_) < static_cast<unsigned>(num_rows_);
    if (exists && (!finishes(kPhase) || has_sums_)) store_pack<kPack>(completed.sum, y_to_);
    if (exists && finishes(kPhase) && has_out_) store_pack<kPack>(completed.out, out_to_);
    y_to_ += int64_t{kGroup} * sums_.stride;
    out_to_ += int64_t{kGroup} * out_.stride;
  }

  ScanLane<Form>& lane_;
  int row_;  // the lane's token of a group, and its first channel there
  int column_;
  const T* own_;         // the same of the first tile's u
  const T* own_states_;  // and of its B or C, of which the lane converts a part
  int states_to_;        // where those go
  int states_[kTurns];   // the lane's own, by order of the row
  int items_to_;         // dt and dt u: channels, too, have an order in each row, for the banks
  int items_[kPack];
  float* sums_to_[kSumPacks];      // the lane's share of the sums, by order of the row
  const float* parts_[kSumPacks];  // what it adds up
  bool has_sums_;
  bool has_out_;
  bool helps_;  // does what is not the walk itself
  float bias_[kPack];
  float D_[kPack];
  StepRows<T*> sums_;  // what the lane completes, from its own row and column on
  StepRows<T*> out_;
  int num_rows_ = 0;  // steps of which the lane's channels exist
  T* y_to_;           // of the group that is written next
  T* out_to_;
};

template <typename Form, int kRankSteps>
__global__ void __launch_bounds__(kMaxDirections* kWarpSize* Form::kWalkWarps, 6 / Form::kWalkWarps)
    scan_forward_team_kernel(ScanParams params, ScanSplit split) {
  static_assert(Form::kIsPlain && Form::kChannelLanes > 1, "a channel a team of lanes");
  const ScanWarp warp =
      locate_warp<uint32_t>(params, split, Form::kChannels, kWarpSize * Form::kWalkWarps);
  ScanLane<Form> lane(params, warp);
  lane.enter(params, warp, split);
  ForwardTeamWalk<Form, kRankSteps> walk(params, warp, lane);
  walk_chunk(walk, params, warp);
  if (walk.has_states()) lane.leave(params, warp, split);
}

}  // namespace
}  // namespace vim::kernels::VIM_CUDA_NAMESPACE
