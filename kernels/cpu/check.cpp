// Texts of the kernel entries' refusals.
#include "kernels/cpu/check.h"

#include <stdexcept>
#include <string>

namespace vim::kernels {

void check_between(const char* what, int64_t value, int64_t low, int64_t high) {
  if (value >= low && value <= high) {
    return;
  }
  throw std::invalid_argument(
      std::string(what) + " must be in [" + std::to_string(low) + ", " + std::to_string(high) +
      "], got " + std::to_string(value));
}

void check_present(const char* what, const void* pointer) {
  if (pointer == nullptr) {
    throw std::invalid_argument(std::string(what) + " must be given, got null");
  }
}

void check_rows(const char* kernel, RowRange rows, int64_t num_rows) {
  if (rows.begin >= 0 && rows.begin <= rows.end && rows.end <= num_rows) {
    return;
  }
  throw std::invalid_argument(
      std::string(kernel) + ": rows must lie in [0, " + std::to_string(num_rows) + "), got [" +
      std::to_string(rows.begin) + ", " + std::to_string(rows.end) + ")");
}

}  // namespace vim::kernels
