// Work that is the same launches every time, recorded once as a CUDA graph and then replayed with a
// single launch.
#pragma once

#include <functional>
#include <memory>
#include <string>

namespace vim::cuda {

class StepGraph {
 public:
  /// `work` reads its inputs from tensors at fixed addresses, makes no decision on the host that
  /// changes from one run to the next, and waits for nothing on the device. An `obstacle` that is
  /// not empty says why it may not be captured; it is then always run as it is.
  StepGraph(std::function<void()> work, std::string obstacle);
  StepGraph(const StepGraph&) = delete;
  StepGraph& operator=(const StepGraph&) = delete;
  ~StepGraph();

  /// Does the work once, on the current stream: as it is for the first runs, which let libraries
  /// and allocator settle, then captured and replayed. Where capturing fails, the reason is logged,
  /// and the work is run as it is from then on.
  void run();

  bool is_captured() const;

  /// Why the work is not captured; empty while it is, or still may be.
  const std::string& obstacle() const { return obstacle_; }

 private:
  struct Impl;

  bool try_capture();

  std::function<void()> work_;
  std::string obstacle_;
  int warmups_left_;
  std::unique_ptr<Impl> impl_;
};

}  // namespace vim::cuda
