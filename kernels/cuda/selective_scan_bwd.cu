// Launches of the scan's backward: the ungated sum (unless the forward kept it), the gate, the
// states that enter the segments, the walks, and the sums over channel tiles and samples.
#include <cuda_runtime.h>

#include <algorithm>

#include "kernels/cuda/scan_backward.cuh"
#include "kernels/cuda/scan_gate.cuh"
#include "kernels/cuda/scan_launch.h"
#include "kernels/cuda/scan_reduce.cuh"
#include "kernels/cuda/selective_scan.h"

namespace vim::kernels::VIM_CUDA_NAMESPACE {
namespace {

constexpr int64_t kSegmentTokens = kSegmentTiles * kTileTokens;

int64_t divide_up(int64_t value, int64_t by) { return (value + by - 1) / by; }

size_t dtype_bytes(DType dtype) { return dtype == DType::kFloat32 ? 4 : 2; }

/// Hands out pieces of the workspace; without one it only counts.
class Carver {
 public:
  explicit Carver(void* workspace) : base_(static_cast<char*>(workspace)) {}

  template <typename T>
  T* take(int64_t count) {
    T* piece = base_ == nullptr ? nullptr : reinterpret_cast<T*>(base_ + used_);
    used_ += (static_cast<size_t>(count) * sizeof(T) + 255) / 256 * 256;
    return piece;
  }
  size_t used() const { return used_; }

 private:
  char* base_;
  size_t used_ = 0;
};

/// Everything in the workspace. y and y_first are null where they are not needed.
struct BackwardWorkspace {
  ScanBackwardPlan plan;
  void* y = nullptr;        // sum over the directions
  void* y_first = nullptr;  // of the first direction alone
  void* forward_workspace = nullptr;
  float* segment_states = nullptr;
  size_t bytes = 0;
};

bool needs_y(const ScanBackwardParams& params) {
  return params.forward.z.data != nullptr && params.forward.y.data == nullptr;
}

bool needs_first_y(const ScanBackwardParams& params) {
  return params.forward.z.data != nullptr && params.gate_defect &&
         params.forward.num_directions == 2;
}

// Without a gate the output is just the scaled sum: the forward writes it.
bool needs_out(const ScanBackwardParams& params) {
  return params.forward.z.data == nullptr && params.forward.out.data != nullptr;
}

BackwardWorkspace plan_workspace(const ScanBackwardParams& params) {
  const ScanParams& forward = params.forward;
  BackwardWorkspace result;
  ScanBackwardPlan& plan = result.plan;
  const int64_t rows = forward.num_directions * forward.batch;
  plan.split.chunk = kSegmentTokens;
  plan.split.num_chunks = divide_up(forward.seqlen, kSegmentTokens);
  plan.channel_tiles = forward.groups * scan_tiles_per_group(forward, kTileChannels);
  plan.state_groups = divide_up(forward.d_state, kGroupStates);
  const int64_t last = forward.seqlen - (plan.split.num_chunks - 1) * kSegmentTokens;
  plan.token_tiles = (plan.split.num_chunks - 1) * kSegmentTiles + divide_up(last, kTileTokens);

  Carver carver(params.workspace);
  plan.bc_partial = carver.take<float4>(
      rows * plan.channel_tiles * plan.state_groups * plan.token_tiles * kTilePartials);
  plan.dA_partial = carver.take<float>(rows * forward.d_inner * forward.d_state);
  plan.dD_partial = carver.take<float>(rows * forward.d_inner);
  plan.dbias_partial = carver.take<float>(rows * forward.d_inner);
  if (plan.state_groups > 1) {
    plan.state_sums = carver.take<float2>(rows * forward.seqlen * forward.d_inner);
  }
  result.segment_states = carver.take<float>(scan_split_floats(forward, kSegmentTokens));
  plan.split.states = plan.split.num_chunks > 1 ? result.segment_states : nullptr;
  const int64_t sum_bytes = static_cast<int64_t>(dtype_bytes(forward.dtype)) * forward.batch *
                            forward.seqlen * forward.d_inner;
  if (needs_y(params)) result.y = carver.take<char>(sum_bytes);
  if (needs_first_y(params)) result.y_first = carver.take<char>(sum_bytes);
  if (needs_y(params) || needs_first_y(params) || needs_out(params)) {
    result.forward_workspace =
        carver.take<char>(static_cast<int64_t>(selective_scan_forward_workspace_size(forward)));
  }
  result.bytes = carver.used();
  return result;
}

bool is_pair_view(const void* data, int64_t batch_stride, int64_t token_stride, DType dtype) {
  return reinterpret_cast<uintptr_t>(data) % (2 * dtype_bytes(dtype)) == 0 &&
         batch_stride % 2 == 0 && token_stride % 2 == 0;
}

template <typename View>
bool is_pair_view(const View& view, DType dtype) {
  return is_pair_view(view.data, view.batch_stride, view.token_stride, dtype);
}

// True if every channel pair of the walks' tensors can be moved as one.
bool has_pairs(const ScanBackwardParams& params) {
  const ScanParams& forward = params.forward;
  const DType dtype = forward.dtype;
  bool result = forward.d_inner / forward.groups % 2 == 0 && is_pair_view(params.dout, dtype) &&
                is_pair_view(forward.z, dtype);
  for (int i = 0; i < forward.num_directions; ++i) {
    const ScanDirection& in = forward.direction[i];
    const ScanDirectionGrads& grads = params.grads[i];
    result = result && is_pair_view(in.u, dtype) && is_pair_view(in.delta, dtype) &&
             is_pair_view(grads.du, dtype) && is_pair_view(grads.ddelta, dtype);
  }
  return result;
}

// True for what ScanBackwardForm calls plain.
bool is_plain(const ScanBackwardParams& params, const ScanBackwardPlan& plan) {
  const ScanParams& forward = params.forward;
  bool result = plan.has_pairs && forward.z.data != nullptr && forward.delta_softplus &&
                forward.d_state == kGroupStates &&
                forward.d_inner / forward.groups % kTileChannels == 0;
  for (int i = 0; i < forward.num_directions; ++i) {
    const ScanDirection& in = forward.direction[i];
    result = result && is_pair_view(in.B, forward.dtype) && is_pair_view(in.C, forward.dtype);
  }
  return result;
}

// y of the first num_directions directions into `y`, contiguous.
MutableTokenView recompute_y(
    const ScanBackwardParams& params,
    const BackwardWorkspace& workspace,
    int num_directions,
    void* y,
    void* stream) {
  ScanParams forward = params.forward;
  forward.num_directions = num_directions;
  forward.y = {y, forward.seqlen * forward.d_inner, forward.d_inner};
  forward.out = {};
  forward.workspace = workspace.forward_workspace;
  for (ScanDirection& direction : forward.direction) direction.last_state = nullptr;
  selective_scan_forward(forward, stream);
  return forward.y;
}

TokenView as_input(const MutableTokenView& view) {
  return {view.data, view.batch_stride, view.token_stride};
}

template <typename T>
void launch_gate(const ScanGateParams& gate, cudaStream_t stream) {
  constexpr int kPack = 16 / sizeof(T);
  const auto packs = [](const void* data, int64_t batch_stride, int64_t token_stride) {
    return reinterpret_cast<uintptr_t>(data) % 16 == 0 && batch_stride % kPack == 0 &&
           token_stride % kPack == 0;
  };
  const auto fits = [&packs](const auto& view) {
    return packs(view.data, view.batch_stride, view.token_stride);
  };
  const bool is_packed = gate.d_inner % kPack == 0 && fits(gate.y) && fits(gate.y_for_dz) &&
                         fits(gate.z) && fits(gate.dout) && fits(gate.dz) && fits(gate.out);
  const int64_t elements = gate.batch * gate.seqlen * gate.d_inner;
  LaunchShape shape;
  shape.stream = stream;
  shape.block = dim3(kGateThreads);
  const int64_t threads = is_packed ? elements / kPack : elements;
  shape.grid = dim3(static_cast<unsigned>(divide_up(threads, kGateThreads)));
  if (is_packed) {
    VIM_LAUNCH((scan_gate_kernel<T, kPack>), shape, gate);
  } else {
    VIM_LAUNCH((scan_gate_kernel<T, 1>), shape, gate);
  }
}

void run_gate(const ScanBackwardParams& params, const BackwardWorkspace& workspace, void* stream) {
  const ScanParams& forward = params.forward;
  if (needs_out(params)) {
    ScanParams again = forward;
    again.workspace = workspace.forward_workspace;
    selective_scan_forward(again, stream);
  }
  if (forward.z.data == nullptr) {
    return;
  }
  ScanGateParams gate;
  gate.batch = forward.batch;
  gate.seqlen = forward.seqlen;
  gate.d_inner = forward.d_inner;
  gate.scale = forward.scale;
  const MutableTokenView y =
      needs_y(params) ? recompute_y(params, workspace, forward.num_directions, workspace.y, stream)
                      : forward.y;
  gate.y = as_input(y);
  gate.y_for_dz = gate.y;
  if (needs_first_y(params)) {
    gate.y_for_dz = as_input(recompute_y(params, workspace, 1, workspace.y_first, stream));
  }
  gate.z = forward.z;
  gate.dout = params.dout;
  gate.dz = params.dz;
  gate.out = forward.out;
  visit_dtype(forward.dtype, [&](auto storage) {
    launch_gate<decltype(storage)>(gate, static_cast<cudaStream_t>(stream));
  });
}

template <typename T>
void launch_walks(
    const ScanBackwardParams& params, const ScanBackwardPlan& plan, cudaStream_t stream) {
  const ScanParams& forward = params.forward;
  const int64_t rows = forward.num_directions * forward.batch;
  const int64_t segment_tiles =
      divide_up(std::min(forward.seqlen, kSegmentTokens), int64_t{kTileTokens});
  LaunchShape shape;
  shape.stream = stream;
  shape.block = dim3(kBackwardThreads);
  shape.grid = dim3(static_cast<unsigned>(rows * plan.channel_tiles));
  shape.shared_bytes = sizeof(ScanBackwardShared) +
                       static_cast<size_t>(segment_tiles) * kBackwardThreads * sizeof(float4);
  if (is_plain(params, plan)) {
    VIM_LAUNCH((scan_backward_kernel<ScanBackwardForm<T, true>>), shape, params, plan);
  } else {
    VIM_LAUNCH((scan_backward_kernel<ScanBackwardForm<T, false>>), shape, params, plan);
  }

  shape.block = dim3(kBcReduceThreads);
  shape.shared_bytes = 0;
  shape.grid = dim3(static_cast<unsigned>(
      rows * forward.groups * plan.state_groups * divide_up(plan.token_tiles, 4)));
  VIM_LAUNCH((scan_reduce_bc_kernel<T>), shape, params, plan);
}

void launch_batch_sums(
    const ScanBackwardParams& params, const ScanBackwardPlan& plan, cudaStream_t stream) {
  const ScanParams& forward = params.forward;
  const int64_t channels = forward.d_inner;
  const int64_t states = channels * forward.d_state;
  BatchSums sums = {};
  sums.batch = forward.batch;
  for (int i = 0; i < forward.num_directions; ++i) {
    const int64_t row = i * forward.batch;
    const ScanDirectionGrads& grads = params.grads[i];
    sums.sum[3 * i] = {plan.dA_partial + row * states, grads.dA, states};
    sums.sum[3 * i + 1] = {plan.dD_partial + row * channels, grads.dD, channels};
    sums.sum[3 * i + 2] = {plan.dbias_partial + row * channels, grads.ddelta_bias, channels};
  }
  LaunchShape shape;
  shape.stream = stream;
  shape.block = dim3(kBatchReduceThreads);
  shape.grid = dim3(
      static_cast<unsigned>(divide_up(states, kWarpSize)),
      static_cast<unsigned>(3 * forward.num_directions));
  shape.shared_bytes = kBatchReduceThreads * sizeof(float);
  VIM_LAUNCH(scan_reduce_batch_kernel, shape, sums);
}

}  // namespace

size_t selective_scan_backward_workspace_size(const ScanBackwardParams& params) {
  check_scan(params.forward);
  ScanBackwardParams sizes = params;
  sizes.workspace = nullptr;
  return plan_workspace(sizes).bytes;
}

void selective_scan_backward(const ScanBackwardParams& params, void* stream) {
  check_scan(params.forward);
  BackwardWorkspace workspace = plan_workspace(params);
  workspace.plan.has_pairs = has_pairs(params);
  run_gate(params, workspace, stream);
  scan_chunk_states(params.forward, kSegmentTokens, workspace.segment_states, stream);
  visit_dtype(params.forward.dtype, [&](auto storage) {
    launch_walks<decltype(storage)>(params, workspace.plan, static_cast<cudaStream_t>(stream));
  });
  launch_batch_sums(params, workspace.plan, static_cast<cudaStream_t>(stream));
}

}  // namespace vim::kernels::VIM_CUDA_NAMESPACE
