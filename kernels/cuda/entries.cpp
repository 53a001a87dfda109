// The table of entries of this build. Names are qualified: the CPU twins of the workspace sizes
// have the same signature one namespace further out.
#include "kernels/cuda/entries.h"

#include "kernels/cuda/adamw.h"
#include "kernels/cuda/add_norm.h"
#include "kernels/cuda/causal_conv1d.h"
#include "kernels/cuda/cross_entropy.h"
#include "kernels/cuda/gradient_summary.h"
#include "kernels/cuda/image_batch.h"
#include "kernels/cuda/namespace.h"
#include "kernels/cuda/narrow_products.h"
#include "kernels/cuda/selective_scan.h"
#include "kernels/cuda/token_sequence.h"

namespace vim::kernels::VIM_CUDA_NAMESPACE {
namespace {

DeviceEntries make_entries() {
  namespace ns = vim::kernels::VIM_CUDA_NAMESPACE;
  DeviceEntries table;
  table.add_norm_forward = ns::add_norm_forward;
  table.add_norm_backward_workspace_size = ns::add_norm_backward_workspace_size;
  table.add_norm_backward = ns::add_norm_backward;
  table.add_norm_backward_reduce = ns::add_norm_backward_reduce;
  table.causal_conv1d_forward = ns::causal_conv1d_forward;
  table.causal_conv1d_forward_projects = ns::causal_conv1d_forward_projects;
  table.causal_conv1d_backward_multiplies = ns::causal_conv1d_backward_multiplies;
  table.causal_conv1d_backward_workspace_size = ns::causal_conv1d_backward_workspace_size;
  table.causal_conv1d_backward = ns::causal_conv1d_backward;
  table.causal_conv1d_backward_reduce = ns::causal_conv1d_backward_reduce;
  table.selective_scan_forward_workspace_size = ns::selective_scan_forward_workspace_size;
  table.selective_scan_projects_delta = ns::selective_scan_projects_delta;
  table.selective_scan_kept_states_size = ns::selective_scan_kept_states_size;
  table.selective_scan_forward = ns::selective_scan_forward;
  table.selective_scan_backward_workspace_size = ns::selective_scan_backward_workspace_size;
  table.selective_scan_backward = ns::selective_scan_backward;
  table.selective_scan_backward_reduce = ns::selective_scan_backward_reduce;
  table.narrow_products_fit = ns::narrow_products_fit;
  table.narrow_products_workspace_size = ns::narrow_products_workspace_size;
  table.narrow_products = ns::narrow_products;
  table.narrow_products_reduce = ns::narrow_products_reduce;
  table.image_batch = ns::image_batch;
  table.token_sequence = ns::token_sequence;
  table.token_sequence_backward = ns::token_sequence_backward;
  table.cross_entropy = ns::cross_entropy;
  table.loss_sum = ns::loss_sum;
  table.gradient_summary_workspace_size = ns::gradient_summary_workspace_size;
  table.gradient_summary = ns::gradient_summary;
  table.adamw = ns::adamw;
  return table;
}

}  // namespace

const DeviceEntries& entries() {
  static const DeviceEntries table = make_entries();
  return table;
}

}  // namespace vim::kernels::VIM_CUDA_NAMESPACE
