// A trace of a few steps of a run, in the Chrome trace event format (JSON), by LibTorch's profiler:
// the ranges of cuda::ProfileRange and the operators of the training thread and, on a GPU, kernels
// and copies. Perfetto and chrome://tracing open it.
#pragma once

#include <cstdint>
#include <filesystem>

namespace vim::train {

struct ProfileOptions {
  std::filesystem::path path;  // empty: no profile
  int64_t num_steps = 5;
};

class StepProfiler {
 public:
  /// Puts an empty trace into the file. Throws vim::Error if it cannot be written.
  explicit StepProfiler(ProfileOptions options);
  StepProfiler(const StepProfiler&) = delete;
  StepProfiler& operator=(const StepProfiler&) = delete;
  ~StepProfiler();

  /// Called before each step, from one thread; steps_left counts that step and all behind it in
  /// this run. The trace begins after ten steps, or fewer in a run so short that it would not hold
  /// num_steps otherwise, and ends before the first step behind them: what the run does between two
  /// steps is in it. Throws vim::Error if the file cannot be written.
  void before_step(int64_t steps_left);

  /// Called at the end of the run: writes a trace that has begun.
  void finish();

 private:
  void start();
  void stop();

  ProfileOptions options_;
  int64_t warmup_ = -1;  // steps before the trace; -1: not known yet
  int64_t steps_ = 0;    // begun
  bool is_active_ = false;
};

}  // namespace vim::train
