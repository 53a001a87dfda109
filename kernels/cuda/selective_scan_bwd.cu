// Launches of the scan's backward: the ungated sum (unless the forward kept it), the gate, the
// states that enter the segments, the walks, and the sums over channel tiles and samples.
#include <cuda_runtime.h>

#include <algorithm>
#include <stdexcept>
#include <type_traits>

#include "kernels/cuda/check.h"
#include "kernels/cuda/plan.h"
#include "kernels/cuda/scan_backward.cuh"
#include "kernels/cuda/scan_backward_split.cuh"
#include "kernels/cuda/scan_chunks.cuh"
#include "kernels/cuda/scan_gate.cuh"
#include "kernels/cuda/scan_launch.h"
#include "kernels/cuda/scan_reduce.cuh"
#include "kernels/cuda/selective_scan.h"

namespace vim::kernels::VIM_CUDA_NAMESPACE {
namespace {

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

/// Everything in the workspace. Pointers are null where they are not needed.
struct BackwardWorkspace {
  ScanBackwardPlan plan;
  void* y = nullptr;        // sum over the directions
  void* y_first = nullptr;  // of the first direction alone
  void* forward_workspace = nullptr;
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

TokenView as_input(const MutableTokenView& view) {
  return {view.data, view.batch_stride, view.token_stride};
}

// A contiguous (batch, seqlen, d_inner) array.
MutableTokenView contiguous_tokens(const ScanParams& params, void* data) {
  return {data, params.seqlen * params.d_inner, params.d_inner};
}

// True for what ScanBackwardForm calls plain.
bool is_plain(const ScanBackwardParams& params) {
  const ScanParams& forward = params.forward;
  const DType dtype = forward.dtype;
  const int pack = static_cast<int>(16 / storage_bytes(dtype));
  bool result = forward.z.data != nullptr && forward.delta_softplus &&
                forward.d_state == kGroupStates && forward.d_inner / forward.groups % pack == 0 &&
                fits_packs(params.dout, dtype, pack) && fits_packs(forward.z, dtype, pack);
  for (int i = 0; i < forward.num_directions; ++i) {
    const ScanDirection& in = forward.direction[i];
    result = result && fits_packs(in.u, dtype, pack) && fits_packs(in.delta, dtype, pack) &&
             fits_packs(in.B, dtype, 4) && fits_packs(in.C, dtype, 4) &&
             fits_packs(params.grads[i].du, dtype, pack) &&
             fits_packs(params.grads[i].ddelta, dtype, pack);
  }
  return result;
}

// True where the walks take the states that the forward kept.
bool takes_kept_states(const ScanBackwardParams& params) {
  return params.forward.kept_states != nullptr && is_plain(params) &&
         selective_scan_kept_states_size(params.forward) > 0;
}

template <typename T, bool kExact, typename F>
void visit_plain_form(const ScanBackwardParams& params, F f) {
  if (takes_kept_states(params)) {
    f(ScanBackwardForm<T, true, true, kExact>{});
  } else {
    f(ScanBackwardForm<T, true, false, kExact>{});
  }
}

/// Calls f with the ScanBackwardForm that fits.
template <typename T, typename F>
void visit_form(const ScanBackwardParams& params, F f) {
  if (!is_plain(params)) {
    f(ScanBackwardForm<T, false>{});
  } else if (std::is_same_v<T, float> && !params.tf32_sums) {
    visit_plain_form<T, std::is_same_v<T, float>>(params, f);
  } else {
    visit_plain_form<T, false>(params, f);
  }
}

int64_t num_multiprocessors() {
  static const int64_t count = [] {
    int device = 0;
    int value = 0;
    check_cuda(cudaGetDevice(&device), "cudaGetDevice");
    check_cuda(
        cudaDeviceGetAttribute(&value, cudaDevAttrMultiProcessorCount, device),
        "cudaDeviceGetAttribute");
    return int64_t{value};
  }();
  return count;
}

// Warps that take the bundles in turns: as few as give no more turns than a full device does.
int64_t num_walking_warps(const ScanParams& params, int64_t bundles) {
  const int64_t resident = num_multiprocessors() * resident_warps(storage_bytes(params.dtype));
  return divide_up(bundles, divide_up(bundles, resident));
}

// Segments, and what the walks need of them.
void plan_walks(const ScanParams& params, bool has_kept, Carver& carver, ScanBackwardPlan& plan) {
  const int64_t tokens = segment_tokens(params);
  const int64_t segments = divide_up(params.seqlen, tokens);
  plan.split.chunk = tokens;
  plan.split.num_chunks = segments;
  plan.segment_tiles = divide_up(std::min(params.seqlen, tokens), kTileTokens);
  plan.token_tiles = (segments - 1) * plan.segment_tiles +
                     divide_up(params.seqlen - (segments - 1) * tokens, kTileTokens);
  plan.state_groups = divide_up(params.d_state, kGroupStates);
  const int64_t samples = params.num_directions * params.batch;
  const int64_t rows = samples * segments;
  plan.bundles = num_bundles(params, rows);
  plan.num_warps = num_walking_warps(params, rows * plan.bundles);
  if (!has_kept) {
    plan.entering = carver.take<float4>(plan.num_warps * plan.segment_tiles * kPasses * kWarpSize);
  }
  plan.bc_partial = carver.take<float4>(
      samples * plan.bundles * plan.state_groups * plan.token_tiles * kTilePartials);
  plan.dA_partial = carver.take<float>(rows * params.d_inner * params.d_state);
  plan.dD_partial = carver.take<float>(rows * params.d_inner);
  plan.dbias_partial = carver.take<float>(rows * params.d_inner);
  if (plan.state_groups > 1) {
    plan.state_sums = carver.take<float2>(samples * params.seqlen * params.d_inner);
  }
  if (segments > 1) {
    plan.split.states = carver.take<float>(scan_split_floats(params, tokens));
    plan.carried = carver.take<float>(rows * params.d_inner * params.d_state);
  }
}

BackwardWorkspace plan_workspace(const ScanBackwardParams& params) {
  const ScanParams& forward = params.forward;
  BackwardWorkspace result;
  Carver carver(params.workspace);
  plan_walks(forward, takes_kept_states(params), carver, result.plan);
  const int64_t sum_bytes =
      storage_bytes(forward.dtype) * forward.batch * forward.seqlen * forward.d_inner;
  if (needs_y(params)) result.y = carver.take<char>(sum_bytes);
  if (needs_first_y(params)) result.y_first = carver.take<char>(sum_bytes);
  if (needs_y(params) || needs_first_y(params) || needs_out(params)) {
    result.forward_workspace =
        carver.take<char>(static_cast<int64_t>(selective_scan_forward_workspace_size(forward)));
  }
  result.bytes = carver.used();
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
  forward.y = contiguous_tokens(forward, y);
  forward.out = {};
  forward.workspace = workspace.forward_workspace;
  forward.kept_states = nullptr;
  for (ScanDirection& direction : forward.direction) direction.last_state = nullptr;
  selective_scan_forward(forward, stream);
  return forward.y;
}

template <typename T>
void launch_gate(const ScanGateParams& gate, DType dtype, cudaStream_t stream) {
  constexpr int kPack = 16 / sizeof(T);
  bool is_packed = gate.d_inner % kPack == 0;
  for (const TokenView& view : {gate.y, gate.y_for_dz, gate.z, gate.dout}) {
    is_packed = is_packed && fits_packs(view, dtype, kPack);
  }
  for (const MutableTokenView& view : {gate.dz, gate.out}) {
    is_packed = is_packed && fits_packs(view, dtype, kPack);
  }
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

// True where the walk back does the gate's part along.
bool gates_in_walk(const ScanBackwardParams& params, const TokenView& y) {
  const DType dtype = params.forward.dtype;
  const int pack = static_cast<int>(16 / storage_bytes(dtype));
  return is_plain(params) && !needs_first_y(params) && fits_packs(y, dtype, pack) &&
         fits_packs(params.dz, dtype, pack) && fits_packs(params.forward.out, dtype, pack);
}

// Returns the ungated sum where the walk back is to do the gate's part along.
TokenView run_gate(
    const ScanBackwardParams& params, const BackwardWorkspace& workspace, void* stream) {
  const ScanParams& forward = params.forward;
  if (needs_out(params)) {
    ScanParams again = forward;
    again.workspace = workspace.forward_workspace;
    again.kept_states = nullptr;
    selective_scan_forward(again, stream);
  }
  if (forward.z.data == nullptr) {
    return {};
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
  if (gates_in_walk(params, gate.y)) {
    return gate.y;
  }
  gate.y_for_dz = gate.y;
  if (needs_first_y(params)) {
    gate.y_for_dz = as_input(recompute_y(params, workspace, 1, workspace.y_first, stream));
  }
  gate.z = forward.z;
  gate.dout = params.dout;
  gate.dz = params.dz;
  gate.out = forward.out;
  visit_dtype(forward.dtype, [&](auto storage) {
    launch_gate<decltype(storage)>(gate, forward.dtype, static_cast<cudaStream_t>(stream));
  });
  return {};
}

// The states and their gradients that enter the segments.
template <typename Form>
void launch_segment_states(
    const ScanBackwardParams& params, const ScanBackwardPlan& plan, const LaunchShape& walks) {
  const ScanParams& forward = params.forward;
  scan_chunk_states(forward, plan.split.chunk, plan.split.states, walks.stream);
  VIM_LAUNCH((scan_adjoint_kernel<Form>), walks, params, plan);
  ScanSplit adjoint = make_split(forward, plan.split.chunk, plan.split.states);
  adjoint.states = plan.carried;
  launch_carry(forward, adjoint, /*backwards=*/true, walks.stream);
}

template <typename T>
void launch_walks(
    const ScanBackwardParams& params, const ScanBackwardPlan& plan, cudaStream_t stream) {
  const ScanParams& forward = params.forward;
  visit_form<T>(params, [&](auto form) {
    using Form = decltype(form);
    LaunchShape walks;
    walks.stream = stream;
    walks.block = dim3(kWarpSize);
    walks.grid = dim3(static_cast<unsigned>(plan.num_warps));
    walks.shared_bytes = sizeof(ScanBackwardShared<Form>);
    if constexpr (!Form::kHasKept) {
      if (plan.split.num_chunks > 1) launch_segment_states<Form>(params, plan, walks);
    }
    VIM_LAUNCH((scan_backward_kernel<Form>), walks, params, plan);
  });

  LaunchShape sums;
  sums.stream = stream;
  sums.block = dim3(kBcReduceThreads);
  sums.grid = dim3(static_cast<unsigned>(
      forward.num_directions * forward.batch * forward.groups * plan.state_groups *
      divide_up(plan.token_tiles, 4)));
  VIM_LAUNCH((scan_reduce_bc_kernel<T>), sums, params, plan);
}

void launch_batch_sums(
    const ScanBackwardParams& params, const ScanBackwardPlan& plan, cudaStream_t stream) {
  const ScanParams& forward = params.forward;
  const int64_t channels = forward.d_inner;
  const int64_t states = channels * forward.d_state;
  BatchSums sums = {};
  const int64_t rows = forward.batch * plan.split.num_chunks;
  sums.batch = rows;
  for (int i = 0; i < forward.num_directions; ++i) {
    const int64_t row = i * rows;
    const ScanDirectionGrads& grads = params.grads[i];
    const float* factor = params.dA_of_log ? forward.direction[i].A : nullptr;
    sums.sum[3 * i] = {plan.dA_partial + row * states, grads.dA, states, factor};
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

size_t selective_scan_kept_states_size(const ScanParams& params) {
  check_scan(params);
  const bool fits = kept_sample_size(params) <= int64_t{1} << 31;  // offsets of 32 bits
  if (!fits || !scan_forward_takes_lanes(params) || segment_tokens(params) < params.seqlen) {
    return 0;
  }
  return static_cast<size_t>(
      params.num_directions * params.batch * kept_sample_size(params) *
      storage_bytes(params.dtype));
}

size_t selective_scan_backward_workspace_size(const ScanBackwardParams& params) {
  check_scan(params.forward);
  ScanBackwardParams sizes = params;
  sizes.workspace = nullptr;
  return plan_workspace(sizes).bytes;
}

void selective_scan_backward(const ScanBackwardParams& params, void* stream) {
  check_scan(params.forward);
  if (params.forward.dt_rank > 0) {
    throw std::invalid_argument("selective_scan: the backward needs delta, not its factors");
  }
  BackwardWorkspace workspace = plan_workspace(params);
  workspace.plan.gate_y = run_gate(params, workspace, stream);
  visit_dtype(params.forward.dtype, [&](auto storage) {
    launch_walks<decltype(storage)>(params, workspace.plan, static_cast<cudaStream_t>(stream));
  });
}

void selective_scan_backward_reduce(const ScanBackwardParams& params, void* stream) {
  check_scan(params.forward);
  launch_batch_sums(params, plan_workspace(params).plan, static_cast<cudaStream_t>(stream));
}

}  // namespace vim::kernels::VIM_CUDA_NAMESPACE
