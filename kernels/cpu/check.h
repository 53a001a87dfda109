// Refusals of the kernel entries: std::invalid_argument with what was expected and what came.
#pragma once

#include <cstdint>
#include <limits>

#include "kernels/types.h"

namespace vim::kernels {

/// The upper limit of what has none.
inline constexpr int64_t kUnlimited = std::numeric_limits<int64_t>::max();

/// Throws unless low <= value <= high.
void check_between(const char* what, int64_t value, int64_t low, int64_t high);

/// Throws if pointer is null.
void check_present(const char* what, const void* pointer);

/// Throws unless 0 <= rows.begin <= rows.end <= num_rows.
void check_rows(const char* kernel, RowRange rows, int64_t num_rows);

}  // namespace vim::kernels
