// Edit distance by dynamic programming over three rows.
#include "src/config/nearest_name.h"

#include <algorithm>
#include <numeric>

namespace vim::config {

size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> before_last(b.size() + 1);
  std::vector<size_t> last(b.size() + 1);
  std::vector<size_t> current(b.size() + 1);
  std::iota(last.begin(), last.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    current[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      current[j] = std::min({last[j] + 1, current[j - 1] + 1, replaced});
      const bool is_swap = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (is_swap) {
        current[j] = std::min(current[j], before_last[j - 2] + 1);
      }
    }
    std::swap(before_last, last);
    std::swap(last, current);
  }
  return last[b.size()];
}

std::string_view nearest_name(std::string_view word, const std::vector<std::string_view>& names) {
  constexpr size_t kLongest = 200;  // longer words are no misspelt names, and the cost is quadratic
  if (word.size() > kLongest) {
    return {};
  }
  size_t best_distance = std::max<size_t>(2, word.size() / 3) + 1;
  std::string_view best;
  for (const std::string_view name : names) {
    const size_t distance = edit_distance(word, name);
    if (distance < best_distance) {
      best_distance = distance;
      best = name;
    }
  }
  return best;
}

}  // namespace vim::config
