// The estimate is what the layers keep for their backward, and room for the one under way. Beside
// the peaks measured on a GPU (docs/benchmarks.md) it is a fifth to a third too high.
#include "src/train/micro_batch.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <limits>
#include <optional>
#include <string>

#include "src/core/error.h"
#include "src/models/model_summary.h"

namespace vim::train {
namespace {

constexpr double kMemoryShare = 0.8;
constexpr double kEstimateMargin = 1.2;  // what lies between allocations
// Times what one layer keeps: the layer under way once more, its gradients, workspaces. On a CPU
// the gaps that the C library's allocator leaves are counted here, too: with Recompute::kMixer and
// Vim-tiny in float, a process grew by 39 MiB an image, of which what enters the layers is 7.
constexpr int64_t kLayersUnderWay = 2;
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

}  // namespace

int64_t estimate_activation_bytes(
    const models::VisionMambaOptions& model, const TrainOptions& train, bool is_on_gpu) {
  const int64_t element = train.precision == Precision::kFloat32 ? 4 : 2;
  const int64_t kept = models::summarize(model, element, train.recompute).activation_bytes;
  const int64_t under_way = (is_on_gpu ? kLayersUnderWay : kLayersUnderWayOnCpu) *
                            model.num_tokens() * models::layer_bytes(model, element).whole;
  const int64_t input = 4 * model.channels * model.img_size[0] * model.img_size[1];
  return static_cast<int64_t>(kEstimateMargin * static_cast<double>(kept + under_way + 2 * input));
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
