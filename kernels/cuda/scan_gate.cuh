// The gate's part of the scan's backward, where the walk back does not do it along: from the
// ungated sum y over the directions, the gradient of z and, on request, the gated output once more.
// One thread for each pack of channels of a token.
#pragma once

#include <cstdint>

#include "kernels/cuda/device.cuh"
#include "kernels/cuda/scan_math.cuh"

namespace vim::kernels::VIM_CUDA_NAMESPACE {
namespace {

constexpr int kGateThreads = 256;

/// y_for_dz: what dz sees of y; the same as y but for the official v1 gradient.
struct ScanGateParams {
  int64_t batch;
  int64_t seqlen;
  int64_t d_inner;
  float scale;
  TokenView y;
  TokenView y_for_dz;
  TokenView z;
  TokenView dout;
  MutableTokenView dz;   // absent: not wanted
  MutableTokenView out;  // absent: not wanted
};

template <typename T, int kPack>
__global__ void __launch_bounds__(kGateThreads) scan_gate_kernel(ScanGateParams params) {
  const int64_t packs = params.d_inner / kPack;
  const int64_t index = static_cast<int64_t>(blockIdx.x) * kGateThreads + threadIdx.x;
  if (index >= params.batch * params.seqlen * packs) {
    return;
  }
  const int64_t channel = index % packs * kPack;
  const int64_t row = index / packs;
  const int64_t batch = row / params.seqlen;
  const int64_t token = row % params.seqlen;
  const auto read = [&](const TokenView& view, float(&values)[kPack]) {
    load_pack<kPack>(scan_sample<T>(view, batch) + token * view.token_stride + channel, values);
  };
  const auto write = [&](const MutableTokenView& view, const float(&values)[kPack]) {
    store_pack<kPack>(values, scan_sample<T>(view, batch) + token * view.token_stride + channel);
  };
  float z[kPack], y[kPack], result[kPack];
  read(params.z, z);
  if (params.dz.data != nullptr) {
    float dout[kPack];
    read(params.y_for_dz, y);
    read(params.dout, dout);
#pragma unroll
    for (int i = 0; i < kPack; ++i) {
      result[i] = scan_gate<T>(z[i], y[i], dout[i], params.scale).dz;
    }
    write(params.dz, result);
  }
  if (params.out.data != nullptr) {
    read(params.y, y);
#pragma unroll
    for (int i = 0; i < kPack; ++i) result[i] = scan_gate<T>(z[i], y[i], 0.0F, params.scale).out;
    write(params.out, result);
  }
}

}  // namespace
}  // namespace vim::kernels::VIM_CUDA_NAMESPACE
