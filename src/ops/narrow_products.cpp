#include "src/ops/narrow_products.h"

#include <ATen/ATen.h>

#include "kernels/narrow_products.h"
#include "src/ops/aside.h"
#include "src/ops/device_call.h"
#include "src/ops/kernel_args.h"

namespace vim::ops {
namespace {

using kernels::DeviceEntries;

// All but the sums and the workspace.
kernels::NarrowProductsParams make_params(const NarrowProducts& products, size_t num_directions) {
  kernels::NarrowProductsParams params;
  params.rows = products.wide.size(1);
  params.channels = products.wide.size(2);
  params.columns = products.narrow.size(2);
  params.gap_begin = products.gap_begin;
  params.gap_end = products.gap_end;
  params.transposed = products.transposed;
  params.dtype = kernel_dtype(products.wide.scalar_type());
  params.num_directions = static_cast<int>(num_directions);
  for (int64_t i = 0; i < params.num_directions; ++i) {
    kernels::NarrowProductsDirection& direction = params.direction[i];
    direction.wide = {products.wide[i].const_data_ptr(), products.wide.stride(1)};
    direction.narrow = {products.narrow[i].const_data_ptr(), products.narrow.stride(1)};
    if (products.weight.defined()) {
      direction.weight = products.weight[i].const_data_ptr();
      direction.out = {products.out[i].mutable_data_ptr(), products.out.stride(1)};
    }
  }
  return params;
}

}  // namespace

bool narrow_products(const NarrowProducts& products, std::vector<ParameterGradient>& sums) {
  const DeviceCall call(products.wide);
  if (!call.is_on_device()) {
    return false;
  }
  kernels::NarrowProductsParams params = make_params(products, sums.size());
  if (!call.entry(&DeviceEntries::narrow_products_fit)(params)) {
    return false;
  }
  for (size_t i = 0; i < sums.size(); ++i) {
    params.direction[i].sums = float_data(sums[i].buffer());
  }
  const at::Tensor workspace = make_workspace(
      call.entry(&DeviceEntries::narrow_products_workspace_size)(params), products.wide);
  params.workspace = workspace.mutable_data_ptr();
  const auto multiply = [&] {
    const DeviceCall current(products.wide);
    current.entry (&DeviceEntries::narrow_products)(params, current.stream());
  };
  const bool may_wait = may_all_wait(sums);
  if (may_wait && !products.weight.defined()) {
    run_aside({products.wide, products.narrow, workspace}, multiply);
  } else {
    multiply();
  }
  run_reduce(may_wait, {workspace}, &DeviceEntries::narrow_products_reduce, params);
  return true;
}

}  // namespace vim::ops
