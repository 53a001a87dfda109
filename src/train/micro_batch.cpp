// The estimate counts, per token and layer, what the operators keep for their backward. Beside the
// peaks measured on a GPU (docs/benchmarks.md) it is a fifth to a half too high.
#include "src/train/micro_batch.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <limits>
#include <optional>
#include <string>

#include "src/core/error.h"

namespace vim::train {
namespace {

constexpr double kMemoryShare = 0.8;
constexpr double kEstimateMargin = 1.2;  // what lies between allocations
// Times what one layer keeps: the layer under way once more, its gradients, workspaces. On a CPU
// the gaps that the C library's allocator leaves are counted here, too: with Recompute::kMixer and
// Vim-tiny in float, a process grew by 39 MiB an image, of which what enters the layers is 7.
constexpr int64_t kLayersUnderWay = 3;
constexpr int64_t kLayersUnderWayOnCpu = 8;

constexpr int64_t kUnlimited = std::numeric_limits<int64_t>::max();

// The number behind a key in a file of `key number` lines, or nothing.
std::optional<int64_t> read_entry(const char* path, const std::string& wanted) {
  std::ifstream stream(path);
  std::string key;
  int64_t value = 0;
  while (stream >> key >> value) {
    if (key == wanted) {
      return value;
    }
    stream.ignore(std::numeric_limits<std::streamsize>::max(), '\n');
  }
  return std::nullopt;
}

// The number a file holds; nothing if it is missing or says "max".
std::optional<int64_t> read_number(const char* path) {
  std::ifstream stream(path);
  int64_t value = 0;
  return stream >> value ? std::optional(value) : std::nullopt;
}

int64_t control_group_available_bytes() {
  const auto limit = read_number("/sys/fs/cgroup/memory.max");
  const auto used = read_number("/sys/fs/cgroup/memory.current");
  if (!limit || !used) {
    return kUnlimited;
  }
  // Cached file pages count as used but give way.
  const int64_t cached = read_entry("/sys/fs/cgroup/memory.stat", "inactive_file").value_or(0);
  return std::max<int64_t>(*limit - *used + cached, 0);
}

bool is_allowed(const MicroBatchRequest& request, int64_t size) {
  return size > 0 && request.global_batch % size == 0 && size % request.mix_group == 0;
}

// What a layer keeps of a token.
struct LayerBytes {
  int64_t entering;  // hidden state and residual
  int64_t cheap;     // residual, xz, ungated sum, small projections
  int64_t whole;     // and the norm, convolutions, step sizes, every eighth state of the scans
};

LayerBytes layer_bytes(const models::VisionMambaOptions& model, Precision precision) {
  constexpr int64_t kTokensOfKeptState = 8;
  const nn::MambaMixerOptions& mixer = model.mixer;
  const int64_t element = precision == Precision::kFloat32 ? 4 : 2;
  const int64_t directions = mixer.bimamba == nn::Bimamba::kNone ? 1 : 2;
  const int64_t projections = directions * (mixer.effective_dt_rank() + 2 * mixer.d_state);
  const int64_t states = directions * mixer.d_inner() * mixer.d_state / kTokensOfKeptState;
  const int64_t wide = directions * mixer.d_inner();
  const int64_t residual = 4 * mixer.embed_dim;
  LayerBytes bytes;
  bytes.entering = residual + element * mixer.embed_dim;
  bytes.cheap = residual + element * (3 * mixer.d_inner() + projections);
  bytes.whole = bytes.cheap + element * (mixer.embed_dim + 2 * wide + states);
  return bytes;
}

}  // namespace

int64_t estimate_activation_bytes(
    const models::VisionMambaOptions& model, const TrainOptions& train, bool is_on_gpu) {
  const LayerBytes layer = layer_bytes(model, train.precision);
  const int64_t depth = model.depth;
  // As VisionMamba runs layers whose insides are computed again.
  const int64_t group = std::lround(std::sqrt(static_cast<double>(depth)));
  int64_t per_token = (is_on_gpu ? kLayersUnderWay : kLayersUnderWayOnCpu) * layer.whole;
  switch (train.recompute) {
    case models::Recompute::kNone:
      per_token += depth * layer.whole;
      break;
    case models::Recompute::kCheap:
      per_token += depth * layer.cheap;
      break;
    case models::Recompute::kMixer:
      per_token += depth * layer.entering;
      break;
    case models::Recompute::kBlock:
      per_token += (depth + group - 1) / group * layer.entering + group * layer.cheap;
      break;
  }
  const int64_t input = 4 * model.channels * model.img_size[0] * model.img_size[1];
  const int64_t bytes = model.num_tokens() * per_token + 2 * input;
  return static_cast<int64_t>(kEstimateMargin * static_cast<double>(bytes));
}

int64_t available_memory_bytes() {
  const auto kibibytes = read_entry("/proc/meminfo", "MemAvailable:");
  return std::min(kibibytes ? *kibibytes * 1024 : kUnlimited, control_group_available_bytes());
}

int64_t choose_micro_batch(const MicroBatchRequest& request) {
  if (request.configured > 0) {
    if (!is_allowed(request, request.configured)) {
      throw Error(fmt::format(
          "train.micro_batch: {} must divide train.global_batch {} and hold whole mixing groups of "
          "{}; "
          "choose such a number, or auto",
          request.configured,
          request.global_batch,
          request.mix_group));
    }
    return request.configured;
  }
  const double budget = kMemoryShare * static_cast<double>(request.memory_bytes);
  for (int64_t size = request.global_batch; size > request.mix_group; --size) {
    const double need = static_cast<double>(size) * static_cast<double>(request.bytes_per_image);
    if (is_allowed(request, size) && need <= budget) {
      return size;
    }
  }
  return request.mix_group;
}

}  // namespace vim::train
