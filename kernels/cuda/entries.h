// All entries of the CUDA kernels as one table, so that a test or an op can be written once for the
// device ("cuda") and for the emulation on the host ("emulated"). An entry that is not built yet is
// null.
#pragma once

#include "kernels/adamw.h"
#include "kernels/add_norm.h"
#include "kernels/causal_conv1d.h"
#include "kernels/cross_entropy.h"
#include "kernels/gradient_summary.h"
#include "kernels/image_batch.h"
#include "kernels/narrow_products.h"
#include "kernels/selective_scan.h"
#include "kernels/token_sequence.h"

namespace vim::kernels {

/// stream is a cudaStream_t; pointers in the parameters are device pointers. The docstrings stand
/// in kernels/cuda/<op>.h.
struct DeviceEntries {
  void (*add_norm_forward)(const AddNormParams& params, void* stream) = nullptr;
  size_t (*add_norm_backward_workspace_size)(const AddNormBackwardParams& params) = nullptr;
  void (*add_norm_backward)(const AddNormBackwardParams& params, void* stream) = nullptr;
  void (*add_norm_backward_reduce)(const AddNormBackwardParams& params, void* stream) = nullptr;

  void (*causal_conv1d_forward)(const ConvParams& params, void* stream) = nullptr;
  bool (*causal_conv1d_forward_projects)(const ConvParams& params) = nullptr;
  bool (*causal_conv1d_backward_multiplies)(const ConvBackwardParams& params) = nullptr;
  size_t (*causal_conv1d_backward_workspace_size)(const ConvBackwardParams& params) = nullptr;
  void (*causal_conv1d_backward)(const ConvBackwardParams& params, void* stream) = nullptr;
  void (*causal_conv1d_backward_reduce)(const ConvBackwardParams& params, void* stream) = nullptr;

  size_t (*selective_scan_forward_workspace_size)(const ScanParams& params) = nullptr;
  bool (*selective_scan_projects_delta)(const ScanParams& params) = nullptr;
  size_t (*selective_scan_kept_states_size)(const ScanParams& params) = nullptr;
  void (*selective_scan_forward)(const ScanParams& params, void* stream) = nullptr;
  size_t (*selective_scan_backward_workspace_size)(const ScanBackwardParams& params) = nullptr;
  void (*selective_scan_backward)(const ScanBackwardParams& params, void* stream) = nullptr;
  void (*selective_scan_backward_reduce)(const ScanBackwardParams& params, void* stream) = nullptr;

  bool (*narrow_products_fit)(const NarrowProductsParams& params) = nullptr;
  size_t (*narrow_products_workspace_size)(const NarrowProductsParams& params) = nullptr;
  void (*narrow_products)(const NarrowProductsParams& params, void* stream) = nullptr;
  void (*narrow_products_reduce)(const NarrowProductsParams& params, void* stream) = nullptr;

  void (*image_batch)(const ImageBatchParams& params, void* stream) = nullptr;

  void (*token_sequence)(const TokenSequenceParams& params, void* stream) = nullptr;
  void (*token_sequence_backward)(const TokenSequenceBackwardParams& params, void* stream) =
      nullptr;

  void (*cross_entropy)(const CrossEntropyParams& params, void* stream) = nullptr;
  void (*loss_sum)(const LossSumParams& params, void* stream) = nullptr;

  size_t (*gradient_summary_workspace_size)(const GradientSummaryParams& params) = nullptr;
  void (*gradient_summary)(const GradientSummaryParams& params, void* stream) = nullptr;

  void (*adamw)(const AdamWParams& params, void* stream) = nullptr;
};

namespace cuda {
/// The kernels as nvcc built them; linked from vim::kernels_cuda.
const DeviceEntries& entries();
}  // namespace cuda

namespace emulated {
/// The same sources run on the host, device pointers being host pointers; tests only.
const DeviceEntries& entries();
}  // namespace emulated

}  // namespace vim::kernels
