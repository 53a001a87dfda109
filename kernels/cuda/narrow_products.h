// Products of a wide and a narrow matrix on the GPU: the parameters of kernels/narrow_products.h
// with device pointers, and a stream. Two launches, since the sums may be wanted later than out.
#pragma once

#include <cstddef>

#include "kernels/cuda/namespace.h"
#include "kernels/narrow_products.h"

namespace vim::kernels::VIM_CUDA_NAMESPACE {

/// True if the entries serve these sizes, storage type and alignment: bfloat16 or float16; channels
/// a multiple of 32, at most 768; 16 or 24 columns, without a weight also 48 or 56; pointers
/// 16-byte aligned, row strides multiples of 8. Otherwise use matrix products. Pointers may be
/// null.
bool narrow_products_fit(const NarrowProductsParams& params);

/// Bytes of device memory that both launches need as params.workspace. Throws std::invalid_argument
/// where narrow_products_fit is false.
size_t narrow_products_workspace_size(const NarrowProductsParams& params);

/// Computes out, rounded once from float sums, and the row pieces' sums into the workspace. stream
/// is a cudaStream_t; nothing is synchronised. Throws std::invalid_argument for impossible
/// parameters and std::runtime_error if a launch fails. Deterministic, bit for bit.
void narrow_products(const NarrowProductsParams& params, void* stream);

/// Computes sums, in float, from what narrow_products has left in the workspace; on another stream
/// the caller orders the two. Errors and determinism as above.
void narrow_products_reduce(const NarrowProductsParams& params, void* stream);

}  // namespace vim::kernels::VIM_CUDA_NAMESPACE
