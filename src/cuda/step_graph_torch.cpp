// Capturing and replaying. The mode is thread-local: loader threads may page-lock memory meanwhile.
#include <ATen/cuda/CUDAContext.h>
#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <spdlog/spdlog.h>

#include <algorithm>

#include "src/cuda/device.h"
#include "src/cuda/step_graph.h"

namespace vim::cuda {
namespace {

constexpr int kWarmups = 3;

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

}  // namespace

struct StepGraph::Impl {
  std::unique_ptr<at::cuda::CUDAGraph> graph;
  at::cuda::MempoolId_t pool = {0, 0};

  void capture(const std::function<void()>& work) {
    graph = std::make_unique<at::cuda::CUDAGraph>();
    pool = at::cuda::graph_pool_handle();
    graph->capture_begin(pool, cudaStreamCaptureModeThreadLocal);
    work();
    graph->capture_end();
  }

  // Leaves capture mode after an error within it.
  void abandon() {
    cudaGraph_t broken = nullptr;
    const auto stream = at::cuda::getCurrentCUDAStream();
    cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
    if (cudaStreamIsCapturing(stream.stream(), &status) == cudaSuccess &&
        status != cudaStreamCaptureStatusNone) {
      cudaStreamEndCapture(stream.stream(), &broken);
      c10::cuda::CUDACachingAllocator::endAllocateToPool(stream.device_index(), pool);
    }
    if (broken != nullptr) {
      cudaGraphDestroy(broken);
    }
    cudaGetLastError();  // the failed capture's, not to be found by the next launch
    graph.release();     // NOLINT: its destructor would throw on a capture that never ended
  }
};

StepGraph::StepGraph(std::function<void()> work, std::string obstacle)
    : work_(std::move(work)),
      obstacle_(std::move(obstacle)),
      warmups_left_(kWarmups),
      impl_(std::make_unique<Impl>()) {
  if (obstacle_.empty() && !is_available()) {
    obstacle_ = "there is no CUDA device";
  }
}

StepGraph::~StepGraph() {
  if (impl_->graph) {
    synchronize();
  }
}

void StepGraph::run() {
  if (obstacle_.empty() && warmups_left_ == 0 && (impl_->graph || try_capture())) {
    impl_->graph->replay();
    return;
  }
  warmups_left_ = std::max(warmups_left_ - 1, 0);
  work_();
}

bool StepGraph::is_captured() const { return impl_->graph != nullptr; }

bool StepGraph::try_capture() {
  try {
    synchronize();
    // What the runs so far held is not used again: the graph has memory of its own.
    c10::cuda::CUDACachingAllocator::emptyCache();
    impl_->capture(work_);
    spdlog::info("the step runs as one CUDA graph");
    return true;
  } catch (const std::exception& error) {
    obstacle_ = first_line(error.what());
    impl_->abandon();
    spdlog::warn("the step cannot be captured as a CUDA graph and runs eagerly: {}", obstacle_);
    return false;
  }
}

}  // namespace vim::cuda
