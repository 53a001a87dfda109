// Memory for kernel tests: strided token arrays in any storage type, error measures, and running an
// entry on every backend with its rows in one piece or in many.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "kernels/types.h"

namespace vim::tests {

using Values = std::vector<double>;

/// (batch, seqlen, channels) tokens; gap > 0 leaves that many unused elements after every token and
/// three times as many after every batch entry.
struct TokenShape {
  int64_t batch;
  int64_t seqlen;
  int64_t channels;
  int64_t gap = 0;

  int64_t size() const { return batch * seqlen * channels; }
  int64_t token_stride() const { return channels + gap; }
  int64_t batch_stride() const { return seqlen * token_stride() + 3 * gap; }
};

/// An array in a kernel's storage type, preset to a sentinel so that stray writes are seen.
class TokenArray {
 public:
  TokenArray(const TokenShape& shape, kernels::DType dtype);

  /// Rounds and stores; values are dense, batch-major.
  void set(const Values& values);
  Values get() const;
  /// True while every gap element still holds the sentinel.
  bool gaps_untouched() const;
  const std::vector<uint32_t>& words() const { return words_; }
  kernels::TokenView view() const;
  kernels::MutableTokenView mutable_view();

 private:
  int64_t offset(int64_t index) const;

  TokenShape shape_;
  kernels::DType dtype_;
  std::vector<uint32_t> words_;  // storage for either element size, aligned for float
};

/// Dense one-row arrays share the class: shape (1, 1, n).
TokenShape flat(int64_t size);

/// n values, uniform in [-scale, scale], from an integer generator that is the same everywhere.
Values random_values(int64_t n, uint64_t seed, double scale = 1.0);

/// The values after a round trip through the storage type.
Values rounded(const Values& values, kernels::DType dtype);
Values from_floats(const std::vector<float>& values);
std::vector<float> to_floats(const Values& values);

/// max |a - b| / max(max |b|, 1e-6); infinite if the sizes differ or a is not finite where b is.
double max_error(const Values& actual, const Values& expected);

/// Half a unit in the last place of the storage type, relative: one rounding of the result.
double rounding_error(kernels::DType dtype);

/// Calls f with each backend of this machine selected, its name as argument, then restores the
/// choice.
void for_each_backend(const std::function<void(const std::string&)>& f);

/// A piece that holds all rows.
inline constexpr int64_t kAllRows = int64_t{1} << 40;

/// Calls run on [0, num_rows) cut into pieces of at most `piece` rows, the last piece first.
void run_in_pieces(
    int64_t num_rows, int64_t piece, const std::function<void(kernels::RowRange)>& run);

}  // namespace vim::tests
