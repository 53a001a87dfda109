// Choice, division of the work and launch of the convolution's forward with its small projection.
#include <cuda_runtime.h>

#include <stdexcept>

#include "kernels/cuda/causal_conv1d.h"
#include "kernels/cuda/causal_conv1d_plan.h"
#include "kernels/cuda/causal_conv1d_project.cuh"
#include "kernels/cuda/plan.h"
#include "kernels/storage.h"

namespace vim::kernels::VIM_CUDA_NAMESPACE {
namespace {

constexpr int64_t kChannels = 384;
constexpr int64_t kColumns = 48;
constexpr int kLongestChunk = 256;
constexpr int kBlocksAtOnce = 2;  // on a multiprocessor

ConvProjectGrid divide(const ConvParams& params, int64_t chunk_steps) {
  const int64_t num_chunks = divide_up(params.seqlen + kProjectHalo, chunk_steps);
  ConvProjectGrid grid;
  grid.chunk_steps = static_cast<int>(chunk_steps);
  grid.num_chunks = static_cast<unsigned>(num_chunks);
  grid.num_walks = params.batch * num_chunks;
  return grid;
}

int64_t num_blocks(const ConvParams& params, const ConvProjectGrid& grid) {
  return divide_up(grid.num_walks, kProjectGroups) * params.num_directions;
}

ConvProjectGrid plan_projection(const ConvParams& params) {
  ConvProjectGrid fastest = divide(params, kLongestChunk);
  const auto time_of = [&](const ConvProjectGrid& grid) {
    return conv_walking_time(num_blocks(params, grid), grid.chunk_steps, kBlocksAtOnce);
  };
  for (int steps = kLongestChunk - kProjectSteps; steps > 0; steps -= kProjectSteps) {
    const ConvProjectGrid grid = divide(params, steps);
    if (time_of(grid) < time_of(fastest)) fastest = grid;
  }
  return fastest;
}

template <typename T>
void launch_form(const ConvParams& params, void* stream) {
  using Form = ConvProjectForm<T, kChannels / kProjectPartChannels, kColumns>;
  const ConvProjectGrid grid = plan_projection(params);
  const int64_t blocks = num_blocks(params, grid);
  if (grid.num_walks >= int64_t{1} << 31 || blocks >= int64_t{1} << 31) {
    throw std::invalid_argument("causal_conv1d: too many tokens for one launch");
  }
  LaunchShape shape;
  shape.grid = dim3(static_cast<unsigned>(blocks));
  shape.block = dim3(Form::kThreads);
  shape.shared_bytes = sizeof(typename Form::Shared);
  shape.stream = static_cast<cudaStream_t>(stream);
  VIM_LAUNCH((causal_conv1d_project_kernel<Form>), shape, params, grid);
}

bool direction_projects(const ConvParams& params, const ConvDirection& direction) {
  return fits_packs(direction.out, params.dtype, kProjectPack) && direction.projection != nullptr &&
         is_aligned(direction.projection, 16) && direction.projected.data != nullptr &&
         fits_packs(direction.projected, params.dtype, kProjectPack);
}

}  // namespace

bool causal_conv1d_forward_projects(const ConvParams& params) {
  bool projects = params.dtype != DType::kFloat32 && params.width == kProjectTaps && params.silu &&
                  params.channels == kChannels && params.columns == kColumns &&
                  params.num_directions >= 1 && params.num_directions <= kMaxDirections &&
                  conv_inputs_pack(params, kProjectPack);
  for (int i = 0; projects && i < params.num_directions; ++i) {
    projects = direction_projects(params, params.direction[i]);
  }
  return projects;
}

void launch_conv_projection(const ConvParams& params, void* stream) {
  if (params.dtype == DType::kBFloat16) {
    return launch_form<BFloat16>(params, stream);
  }
  launch_form<Float16>(params, stream);
}

}  // namespace vim::kernels::VIM_CUDA_NAMESPACE
