// The CPU kernels behind the device's table of entries: rows are shared over OpenMP threads, as the
// ops share them, and the place of the stream holds how many.
#include <fmt/format.h>
#include <omp.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <new>
#include <vector>

#include "apps/bench_device.h"
#include "apps/bench_exp.h"
#include "kernels/backend.h"

namespace vim::apps {
namespace {

using kernels::DeviceEntries;
using kernels::RowRange;

constexpr size_t kAlignment = 256;
constexpr size_t kCopyBytes = size_t{256} << 20;  // one way
constexpr int kRateSamples = 5;
constexpr int64_t kExpRounds = 1 << 20;

// Calls work(range) with an equal share of the rows on each of *threads threads.
template <typename Work>
void share_rows(const void* threads, int64_t num_rows, const Work& work) {
#pragma omp parallel num_threads(*static_cast <const int*>(threads))
  {
    const int64_t id = omp_get_thread_num();
    const int64_t count = omp_get_num_threads();
    const RowRange rows{num_rows * id / count, num_rows * (id + 1) / count};
    if (rows.begin < rows.end) work(rows);
  }
}

size_t no_workspace(const kernels::ScanParams& /*params*/) { return 0; }

void scan_forward(const kernels::ScanParams& params, void* threads) {
  share_rows(threads, kernels::selective_scan_num_rows(params), [&](RowRange rows) {
    kernels::selective_scan_forward(params, rows);
  });
}

void scan_backward(const kernels::ScanBackwardParams& params, void* threads) {
  share_rows(threads, kernels::selective_scan_num_rows(params.forward), [&](RowRange rows) {
    kernels::selective_scan_backward(params, rows);
  });
}

void scan_backward_reduce(const kernels::ScanBackwardParams& params, void* threads) {
  const int64_t num_rows = kernels::selective_scan_backward_reduce_num_rows(params);
  share_rows(threads, num_rows, [&](RowRange rows) {
    kernels::selective_scan_backward_reduce(params, rows);
  });
}

void conv_forward(const kernels::ConvParams& params, void* threads) {
  share_rows(threads, kernels::causal_conv1d_num_rows(params), [&](RowRange rows) {
    kernels::causal_conv1d_forward(params, rows);
  });
}

void conv_backward(const kernels::ConvBackwardParams& params, void* threads) {
  share_rows(threads, kernels::causal_conv1d_num_rows(params.forward), [&](RowRange rows) {
    kernels::causal_conv1d_backward(params, rows);
  });
}

void conv_backward_reduce(const kernels::ConvBackwardParams& params, void* threads) {
  const int64_t num_rows = kernels::causal_conv1d_backward_reduce_num_rows(params);
  share_rows(threads, num_rows, [&](RowRange rows) {
    kernels::causal_conv1d_backward_reduce(params, rows);
  });
}

void norm_forward(const kernels::AddNormParams& params, void* threads) {
  share_rows(threads, kernels::add_norm_num_rows(params), [&](RowRange rows) {
    kernels::add_norm_forward(params, rows);
  });
}

void norm_backward(const kernels::AddNormBackwardParams& params, void* threads) {
  share_rows(threads, kernels::add_norm_num_rows(params.forward), [&](RowRange rows) {
    kernels::add_norm_backward(params, rows);
  });
}

void norm_backward_reduce(const kernels::AddNormBackwardParams& params, void* threads) {
  const int64_t num_rows = kernels::add_norm_backward_reduce_num_rows(params);
  share_rows(
      threads, num_rows, [&](RowRange rows) { kernels::add_norm_backward_reduce(params, rows); });
}

void image_batch(const kernels::ImageBatchParams& params, void* threads) {
  share_rows(threads, kernels::image_batch_num_rows(params), [&](RowRange rows) {
    kernels::image_batch(params, rows);
  });
}

void token_sequence(const kernels::TokenSequenceParams& params, void* threads) {
  share_rows(threads, kernels::token_sequence_num_rows(params), [&](RowRange rows) {
    kernels::token_sequence(params, rows);
  });
}

void token_sequence_backward(const kernels::TokenSequenceBackwardParams& params, void* threads) {
  share_rows(threads, kernels::token_sequence_num_rows(params), [&](RowRange rows) {
    kernels::token_sequence_backward(params, rows);
  });
}

void gradient_summary(const kernels::GradientSummaryParams& params, void* /*threads*/) {
  kernels::gradient_summary(params);
}

void cross_entropy(const kernels::CrossEntropyParams& params, void* threads) {
  share_rows(threads, kernels::cross_entropy_num_rows(params), [&](RowRange rows) {
    kernels::cross_entropy(params, rows);
  });
}

void adamw(const kernels::AdamWParams& params, void* threads) {
  share_rows(threads, kernels::adamw_num_rows(params), [&](RowRange rows) {
    kernels::adamw(params, rows);
  });
}

const DeviceEntries& cpu_entries() {
  static const DeviceEntries table = [] {
    DeviceEntries entries;
    entries.add_norm_forward = norm_forward;
    entries.add_norm_backward_workspace_size = kernels::add_norm_backward_workspace_size;
    entries.add_norm_backward = norm_backward;
    entries.add_norm_backward_reduce = norm_backward_reduce;
    entries.causal_conv1d_forward = conv_forward;
    entries.causal_conv1d_backward_workspace_size = kernels::causal_conv1d_backward_workspace_size;
    entries.causal_conv1d_backward = conv_backward;
    entries.causal_conv1d_backward_reduce = conv_backward_reduce;
    entries.selective_scan_forward_workspace_size = no_workspace;
    entries.selective_scan_forward = scan_forward;
    entries.selective_scan_backward_workspace_size =
        kernels::selective_scan_backward_workspace_size;
    entries.selective_scan_backward = scan_backward;
    entries.selective_scan_backward_reduce = scan_backward_reduce;
    entries.image_batch = image_batch;
    entries.token_sequence = token_sequence;
    entries.token_sequence_backward = token_sequence_backward;
    entries.cross_entropy = cross_entropy;
    entries.gradient_summary_workspace_size = [](const kernels::GradientSummaryParams&) {
      return size_t{0};
    };
    entries.gradient_summary = gradient_summary;
    entries.adamw = adamw;
    return entries;
  }();
  return table;
}

class CpuDevice : public BenchDevice {
 public:
  explicit CpuDevice(int64_t threads)
      : threads_(threads > 0 ? static_cast<int>(threads) : omp_get_max_threads()) {
    traits_.name = fmt::format("cpu, {} threads, {}", threads_, kernels::current_cpu_backend());
    traits_.cache_bytes = static_cast<size_t>(std::max(0L, sysconf(_SC_LEVEL3_CACHE_SIZE)));
    traits_.min_launches = 1;
    traits_.sample_seconds = 0.01;
  }

  const BenchTraits& traits() const override { return traits_; }
  const DeviceEntries& entries() const override { return cpu_entries(); }
  void* stream() override { return &threads_; }

  void* allocate(size_t bytes) override {
    void* memory = nullptr;
    if (posix_memalign(&memory, kAlignment, bytes) != 0) {
      throw std::bad_alloc();
    }
    return memory;
  }

  void release(void* memory) override { std::free(memory); }

  void upload(void* to, const void* host, size_t bytes) override { std::memcpy(to, host, bytes); }

  double seconds(int64_t count, const std::function<void()>& launch) override {
    const auto start = std::chrono::steady_clock::now();
    for (int64_t i = 0; i < count; ++i) launch();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }

  double copy_bytes_per_second() override {
    const std::unique_ptr<char, decltype(&std::free)> memory(
        static_cast<char*>(allocate(2 * kCopyBytes)), &std::free);
    char* from = memory.get();
    const auto share = [this](const auto& work) { share_rows(&threads_, kCopyBytes, work); };
    share([from](RowRange bytes) {  // each thread touches its own pages first
      std::memset(from + bytes.begin, 1, static_cast<size_t>(bytes.end - bytes.begin));
      std::memset(from + kCopyBytes + bytes.begin, 2, static_cast<size_t>(bytes.end - bytes.begin));
    });
    const auto copy = [&share, from] {
      share([from](RowRange bytes) {
        const auto count = static_cast<size_t>(bytes.end - bytes.begin);
        std::memcpy(from + kCopyBytes + bytes.begin, from + bytes.begin, count);
      });
    };
    double best = 0.0;
    for (int i = 0; i < kRateSamples; ++i) {
      best = std::max(best, 2.0 * static_cast<double>(kCopyBytes) / seconds(1, copy));
    }
    return best;
  }

  double exponentials_per_second() override {
    if (kernels::current_cpu_backend() == "scalar") {
      return 0.0;
    }
    std::vector<int64_t> counts(static_cast<size_t>(threads_));
    std::vector<float> results(counts.size());
    const auto compute = [&] {
      share_rows(&threads_, threads_, [&](RowRange rows) {
        for (int64_t i = rows.begin; i < rows.end; ++i) {
          const auto place = static_cast<size_t>(i);
          counts[place] = compute_exponentials(kExpRounds, &results[place]);
        }
      });
    };
    double best = 0.0;
    for (int i = 0; i < kRateSamples; ++i) {
      const double time = seconds(1, compute);
      best = std::max(best, static_cast<double>(counts[0] * threads_) / time);
    }
    return best;
  }

 private:
  int threads_;
  BenchTraits traits_;
};

}  // namespace

std::unique_ptr<BenchDevice> make_cpu_device(int64_t threads) {
  return std::make_unique<CpuDevice>(threads);
}

}  // namespace vim::apps
