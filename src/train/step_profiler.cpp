// Kineto, LibTorch's profiler, does the work; the trace's file is its own.
#include "src/train/step_profiler.h"

#include <ATen/record_function.h>
#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <torch/csrc/autograd/profiler_kineto.h>

#include <algorithm>
#include <cstdlib>
#include <set>
#include <string_view>

#include "src/core/atomic_file.h"
#include "src/core/error.h"
#include "src/cuda/device.h"

namespace vim::train {
namespace {

using torch::profiler::impl::ActivityType;
using torch::profiler::impl::ProfilerConfig;
using torch::profiler::impl::ProfilerState;

constexpr int64_t kWarmupSteps = 10;  // a CUDA graph is captured in the fourth
constexpr std::string_view kEmptyTrace = "{\"traceEvents\": []}\n";

}  // namespace

StepProfiler::StepProfiler(ProfileOptions options) : options_(std::move(options)) {
  if (options_.path.empty()) {
    return;
  }
  // Without a driver Kineto would report that it found no device.
  setenv("KINETO_LOG_LEVEL", "5", /*overwrite=*/0);
  core::write_file_atomically(options_.path, kEmptyTrace);
}

StepProfiler::~StepProfiler() {
  if (is_active_) {
    torch::autograd::profiler::disableProfiler();  // the run failed: no trace of it
  }
}

void StepProfiler::before_step(int64_t steps_left) {
  if (options_.path.empty()) {
    return;
  }
  if (warmup_ < 0) {
    warmup_ = std::clamp<int64_t>(steps_left - options_.num_steps, 0, kWarmupSteps);
  }
  if (steps_ == warmup_) {
    start();
  } else if (steps_ == warmup_ + options_.num_steps) {
    stop();
  }
  ++steps_;
}

void StepProfiler::finish() {
  if (is_active_) {
    stop();
  } else if (!options_.path.empty() && steps_ <= std::max<int64_t>(warmup_, 0)) {
    spdlog::warn(
        "{}: holds no steps: the run ended before the trace began", options_.path.string());
  }
}

void StepProfiler::start() {
  cuda::synchronize();  // kernels of earlier steps stay out
  std::set<ActivityType> activities = {ActivityType::CPU};
  if (cuda::is_available()) {
    activities.insert(ActivityType::CUDA);
  }
  const ProfilerConfig config(ProfilerState::KINETO);
  torch::autograd::profiler::prepareProfiler(config, activities);
  torch::autograd::profiler::enableProfiler(
      config,
      activities,
      {at::RecordScope::FUNCTION, at::RecordScope::BACKWARD_FUNCTION, at::RecordScope::USER_SCOPE});
  is_active_ = true;
}

void StepProfiler::stop() {
  cuda::synchronize();
  is_active_ = false;
  const std::string path = options_.path.string();
  torch::autograd::profiler::disableProfiler()->save(path);
  // Kineto does not say whether it could write.
  std::error_code error;
  const auto size = std::filesystem::file_size(options_.path, error);
  if (error || size <= kEmptyTrace.size()) {
    throw Error(path + ": the trace could not be written; check the folder and its disk");
  }
  spdlog::info("{}: trace of {} steps", path, std::min(steps_ - warmup_, options_.num_steps));
}

}  // namespace vim::train
