// What the tests of all ops share: comparison, leaves of the graph, error texts.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <string>
#include <vector>

namespace vim::ops {

/// max |actual - expected| / max |expected|; the plain maximum where all of `expected` is 0.
/// Infinite on a shape mismatch or a value that is not finite.
double relative_error(const at::Tensor& actual, const at::Tensor& expected);

/// The same bits in the same shape and dtype.
bool same_bits(const at::Tensor& a, const at::Tensor& b);

/// Standard normal values, scaled. The same for the same seed.
at::Tensor random_tensor(at::IntArrayRef shape, uint64_t seed, double scale = 1.0);

/// A copy that collects a gradient; undefined stays undefined.
at::Tensor leaf(const at::Tensor& tensor);

/// The same in double, for the reference.
at::Tensor leaf_in_double(const at::Tensor& tensor);

/// The text of the c10::Error that `call` throws, or "" if it throws none.
std::string error_text(const std::function<void()>& call);

bool contains(const std::string& text, const std::string& part);

/// Runs `compute` on one and on two intra-op threads, and once more; true if all results agree bit
/// for bit.
bool is_reproducible(const std::function<std::vector<at::Tensor>()>& compute);

}  // namespace vim::ops
