// Builds without libtorch_cuda: the work is run as it is.
#include "src/cuda/step_graph.h"

namespace vim::cuda {

struct StepGraph::Impl {};

StepGraph::StepGraph(std::function<void()> work, std::string obstacle)
    : work_(std::move(work)), obstacle_(std::move(obstacle)), warmups_left_(0) {
  if (obstacle_.empty()) {
    obstacle_ = "this build has no libtorch_cuda";
  }
}

StepGraph::~StepGraph() = default;

void StepGraph::run() { work_(); }

bool StepGraph::is_captured() const { return false; }

bool StepGraph::try_capture() { return false; }

}  // namespace vim::cuda
