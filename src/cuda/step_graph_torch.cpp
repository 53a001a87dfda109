// Capturing and replaying. The mode is thread-local: loader threads may page-lock memory meanwhile.
#include <ATen/core/CachingHostAllocator.h>
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
    TORCH_CHECK(
        capture_status() == cudaStreamCaptureStatusActive,
        "something in the work cannot be captured");
    graph->capture_end();
  }

  // Leaves capture mode after an error within it.
  void abandon() {
    const bool is_capturing = capture_status() != cudaStreamCaptureStatusNone;
    if (is_capturing) {
      end_capture();
    }
    cudaGetLastError();  // the failed capture's, not to be found by the next launch
    if (is_capturing) {
      graph.reset();
    } else {
      // It failed to begin or to end. The allocators may still ask it what belongs to it.
      graph.release();  // NOLINT
    }
  }

 private:
  static cudaStreamCaptureStatus capture_status() {
    cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
    cudaStreamIsCapturing(at::cuda::getCurrentCUDAStream().stream(), &status);
    return status;
  }

  // CUDAGraph gives its two pools, of device and of page-locked memory, back only after a capture
  // that ended well.
  void end_capture() const {
    const auto stream = at::cuda::getCurrentCUDAStream();
    cudaGraph_t broken = nullptr;
    cudaStreamEndCapture(stream.stream(), &broken);
    if (broken != nullptr) {
      cudaGraphDestroy(broken);
    }
    c10::cuda::CUDACachingAllocator::endAllocateToPool(stream.device_index(), pool);
    c10::cuda::CUDACachingAllocator::releasePool(stream.device_index(), pool);
    at::getHostAllocator(at::kCUDA)->end_allocate_to_pool(pool);
    at::getHostAllocator(at::kCUDA)->release_pool(pool);
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
