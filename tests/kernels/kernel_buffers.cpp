#include "tests/kernels/kernel_buffers.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "kernels/backend.h"
#include "kernels/storage.h"

namespace vim::tests {
namespace {

constexpr uint32_t kSentinel =
    0x7E917E91U;  // one odd number in 32 bits, the same odd number twice in 16

size_t element_size(kernels::DType dtype) { return dtype == kernels::DType::kFloat32 ? 4 : 2; }

void write_element(
    std::vector<uint32_t>& words, kernels::DType dtype, int64_t index, double value) {
  kernels::visit_dtype(dtype, [&](auto tag) {
    const auto stored = kernels::from_float<decltype(tag)>(static_cast<float>(value));
    std::memcpy(
        reinterpret_cast<char*>(words.data()) + index * sizeof(stored), &stored, sizeof(stored));
  });
}

double read_element(const std::vector<uint32_t>& words, kernels::DType dtype, int64_t index) {
  double value = 0.0;
  kernels::visit_dtype(dtype, [&](auto tag) {
    std::memcpy(
        &tag, reinterpret_cast<const char*>(words.data()) + index * sizeof(tag), sizeof(tag));
    value = kernels::to_float(tag);
  });
  return value;
}

bool holds_sentinel(const std::vector<uint32_t>& words, size_t size, int64_t index) {
  const char* at = reinterpret_cast<const char*>(words.data()) + index * size;
  return std::memcmp(at, &kSentinel, size) == 0;
}

}  // namespace

TokenArray::TokenArray(const TokenShape& shape, kernels::DType dtype)
    : shape_(shape), dtype_(dtype), words_(shape.batch * shape.batch_stride(), kSentinel) {}

int64_t TokenArray::offset(int64_t index) const {
  const int64_t token = index / shape_.channels;
  return token / shape_.seqlen * shape_.batch_stride() +
         token % shape_.seqlen * shape_.token_stride() + index % shape_.channels;
}

void TokenArray::set(const Values& values) {
  for (int64_t i = 0; i < shape_.size(); ++i) {
    write_element(words_, dtype_, offset(i), values.at(i));
  }
}

Values TokenArray::get() const {
  Values values(shape_.size());
  for (int64_t i = 0; i < shape_.size(); ++i) {
    values[i] = read_element(words_, dtype_, offset(i));
  }
  return values;
}

bool TokenArray::gaps_untouched() const {
  const size_t size = element_size(dtype_);
  std::vector<bool> is_used(words_.size() * 4 / size, false);
  for (int64_t i = 0; i < shape_.size(); ++i) {
    is_used[offset(i)] = true;
  }
  for (size_t i = 0; i < is_used.size(); ++i) {
    if (!is_used[i] && !holds_sentinel(words_, size, i)) {
      return false;
    }
  }
  return true;
}

kernels::TokenView TokenArray::view() const {
  return {words_.data(), shape_.batch_stride(), shape_.token_stride()};
}

kernels::MutableTokenView TokenArray::mutable_view() {
  return {words_.data(), shape_.batch_stride(), shape_.token_stride()};
}

TokenShape flat(int64_t size) { return {1, 1, size}; }

Values random_values(int64_t n, uint64_t seed, double scale) {
  Values values(n);
  uint64_t state = seed * 0x9E3779B97F4A7C15U + 1;
  for (double& value : values) {
    state = state * 6364136223846793005U + 1442695040888963407U;
    const double unit = static_cast<double>(state >> 32) * 0x1p-32;
    value = static_cast<float>(scale * (2.0 * unit - 1.0));
  }
  return values;
}

Values rounded(const Values& values, kernels::DType dtype) {
  TokenArray array(flat(values.size()), dtype);
  array.set(values);
  return array.get();
}

Values from_floats(const std::vector<float>& values) { return {values.begin(), values.end()}; }

std::vector<float> to_floats(const Values& values) { return {values.begin(), values.end()}; }

double max_error(const Values& actual, const Values& expected) {
  double largest = 1e-6;
  double error = 0.0;
  if (actual.size() != expected.size()) {
    return std::numeric_limits<double>::infinity();
  }
  for (size_t i = 0; i < expected.size(); ++i) {
    if (!std::isfinite(actual[i])) {
      return std::numeric_limits<double>::infinity();
    }
    largest = std::max(largest, std::abs(expected[i]));
    error = std::max(error, std::abs(actual[i] - expected[i]));
  }
  return error / largest;
}

double rounding_error(kernels::DType dtype) {
  switch (dtype) {
    case kernels::DType::kFloat32:
      return 0x1p-24;
    case kernels::DType::kBFloat16:
      return 0x1p-8;
    case kernels::DType::kFloat16:
      return 0x1p-11;
  }
  return 0.0;
}

void for_each_backend(const std::function<void(const std::string&)>& f) {
  const std::string before = kernels::current_cpu_backend();
  for (const std::string& name : kernels::cpu_backends()) {
    kernels::select_cpu_backend(name);
    f(name);
  }
  kernels::select_cpu_backend(before);
}

void run_in_pieces(
    int64_t num_rows, int64_t piece, const std::function<void(kernels::RowRange)>& run) {
  for (int64_t begin = (num_rows - 1) / piece * piece; begin >= 0; begin -= piece) {
    run({begin, std::min(begin + piece, num_rows)});
  }
}

}  // namespace vim::tests
