#include "tests/kernels/scan_problem.h"

#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <stdexcept>
#include <thread>

#include "kernels/storage.h"
#include "tests/kernels/scan_arrays.h"

namespace vim::tests {
namespace {

using kernels::DType;

// 64-byte aligned memory filled with a byte pattern that is a large float, so that a partial sum
// that nobody wrote shows.
std::unique_ptr<void, decltype(&std::free)> make_workspace(size_t size) {
  const size_t rounded = (size + 63) / 64 * 64;
  void* data = std::aligned_alloc(64, rounded);
  if (data == nullptr) throw std::bad_alloc();
  std::memset(data, 0x7B, rounded);
  return {data, &std::free};
}

}  // namespace

void run_in_one_piece(int64_t num_rows, const std::function<void(kernels::RowRange)>& kernel) {
  kernel({0, num_rows});
}

void run_row_by_row(int64_t num_rows, const std::function<void(kernels::RowRange)>& kernel) {
  for (int64_t row = num_rows - 1; row >= 0; --row) {
    std::thread([&] { kernel({row, row + 1}); }).join();
  }
}

Tensors round_to_storage(const ScanCase& scan, const Tensors& inputs) {
  Tensors rounded = inputs;
  for (auto& [name, values] : rounded) {
    const bool is_float = name[0] == 'A' || name[0] == 'D' || name.rfind("delta_bias", 0) == 0;
    kernels::visit_dtype(is_float ? DType::kFloat32 : scan.dtype, [&](auto storage) {
      using Storage = decltype(storage);
      for (double& value : values) {
        value = kernels::to_float(kernels::from_float<Storage>(static_cast<float>(value)));
      }
    });
  }
  return rounded;
}

Tensors run_scan_forward(const ScanCase& scan, const Tensors& inputs, const RowSplitter& split) {
  ScanArrays problem(scan, inputs);
  problem.add_last_states();
  const kernels::ScanParams& params = problem.params();
  split(kernels::selective_scan_num_rows(params), [&](kernels::RowRange rows) {
    kernels::selective_scan_forward(params, rows);
  });
  return problem.results();
}

Tensors run_scan_backward(const ScanCase& scan, const Tensors& inputs, const RowSplitter& split) {
  ScanArrays problem(scan, inputs);
  kernels::ScanBackwardParams params = problem.backward_params();
  const auto workspace = make_workspace(kernels::selective_scan_backward_workspace_size(params));
  params.workspace = workspace.get();
  split(kernels::selective_scan_num_rows(params.forward), [&](kernels::RowRange rows) {
    kernels::selective_scan_backward(params, rows);
  });
  split(kernels::selective_scan_backward_reduce_num_rows(params), [&](kernels::RowRange rows) {
    kernels::selective_scan_backward_reduce(params, rows);
  });
  return problem.results();
}

}  // namespace vim::tests
