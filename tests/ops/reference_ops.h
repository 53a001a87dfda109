// The ops once more, in double on stock tensor operations with LibTorch's own autograd, one token
// after the other: slow, and independent of the kernels.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "src/ops/add_norm.h"
#include "src/ops/bidirectional_mamba.h"
#include "src/ops/causal_conv1d.h"
#include "src/ops/selective_scan.h"

namespace vim::ops {

at::Tensor reference_conv(
    const at::Tensor& x,
    const at::Tensor& weight,
    const at::Tensor& bias,
    const CausalConv1dOptions& options);

/// One group.
at::Tensor reference_scan(const SelectiveScanInputs& inputs);

AddNormResult reference_add_norm(
    const at::Tensor& x,
    const at::Tensor& residual,
    const at::Tensor& weight,
    const at::Tensor& bias,
    const at::Tensor& sample_mask,
    const AddNormOptions& options);

/// Shadows are not looked at.
at::Tensor reference_core(
    const at::Tensor& xz,
    const std::vector<Branch>& branches,
    const BidirectionalMambaOptions& options);

}  // namespace vim::ops
