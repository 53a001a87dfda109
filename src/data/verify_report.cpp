// All images taken together. Everything goes by image number, so that no count of threads shows.
#include <algorithm>
#include <array>
#include <utility>

#include "src/data/verify.h"

namespace vim::data {
namespace {

constexpr std::array<int64_t, 10> kSides = {1, 32, 64, 128, 224, 256, 384, 512, 1024, 2048};

int64_t shorter_side(const Size& size) { return std::min(size.height, size.width); }

std::vector<SideCount> count_sides(const std::vector<ImageFacts>& facts) {
  std::vector<SideCount> counts;
  for (const int64_t side : kSides) {
    counts.push_back({side, 0});
  }
  for (const ImageFacts& one : facts) {
    if (one.problem.empty()) {
      const auto above = std::upper_bound(kSides.begin(), kSides.end(), shorter_side(one.size));
      ++counts[static_cast<size_t>(above - kSides.begin()) - 1].images;
    }
  }
  return counts;
}

// The first sound image that `is_before` puts before all others.
template <typename IsBefore>
int64_t first_by(const std::vector<ImageFacts>& facts, IsBefore is_before) {
  int64_t found = -1;
  for (size_t i = 0; i < facts.size(); ++i) {
    if (facts[i].problem.empty() &&
        (found < 0 || is_before(facts[i].size, facts[static_cast<size_t>(found)].size))) {
      found = static_cast<int64_t>(i);
    }
  }
  return found;
}

bool is_more_elongated(const Size& a, const Size& b) {
  const auto [short_a, long_a] = std::minmax(a.height, a.width);
  const auto [short_b, long_b] = std::minmax(b.height, b.width);
  return long_a * short_b > long_b * short_a;
}

// Image numbers with equal bytes side by side, in ascending order among themselves.
std::vector<int64_t> sort_by_bytes(const std::vector<ImageFacts>& facts) {
  std::vector<int64_t> order;
  for (size_t i = 0; i < facts.size(); ++i) {
    if (facts[i].num_bytes > 0) {
      order.push_back(static_cast<int64_t>(i));
    }
  }
  const auto key = [&facts](int64_t i) {
    const ImageFacts& one = facts[static_cast<size_t>(i)];
    return std::pair(one.hash, one.num_bytes);
  };
  std::stable_sort(
      order.begin(), order.end(), [&key](int64_t a, int64_t b) { return key(a) < key(b); });
  return order;
}

std::vector<DuplicateGroup> find_duplicates(
    const Dataset& dataset, const std::vector<ImageFacts>& facts) {
  std::vector<DuplicateGroup> groups;
  const std::vector<int64_t> order = sort_by_bytes(facts);
  for (size_t begin = 0, end = 0; begin < order.size(); begin = end) {
    const ImageFacts& first = facts[static_cast<size_t>(order[begin])];
    DuplicateGroup group{first.hash, false, {}};
    for (end = begin; end < order.size(); ++end) {
      const ImageFacts& one = facts[static_cast<size_t>(order[end])];
      if (one.hash != first.hash || one.num_bytes != first.num_bytes) {
        break;
      }
      group.images.push_back(order[end]);
      group.has_several_labels |= dataset.label(order[end]) != dataset.label(order[begin]);
    }
    if (group.images.size() > 1) {
      groups.push_back(std::move(group));
    }
  }
  std::sort(groups.begin(), groups.end(), [](const DuplicateGroup& a, const DuplicateGroup& b) {
    return a.images[0] < b.images[0];
  });
  return groups;
}

}  // namespace

VerifyReport make_verify_report(const Dataset& dataset, const std::vector<ImageFacts>& facts) {
  VerifyReport report;
  report.images_of_class.resize(dataset.class_names().size());
  for (size_t i = 0; i < facts.size(); ++i) {
    const auto index = static_cast<int64_t>(i);
    ++report.images_of_class.at(static_cast<size_t>(dataset.label(index)));
    ++report.formats[facts[i].format];
    if (!facts[i].problem.empty()) {
      report.bad.push_back(index);
    }
  }
  report.shorter_sides = count_sides(facts);
  report.duplicates = find_duplicates(dataset, facts);
  report.smallest = first_by(
      facts, [](const Size& a, const Size& b) { return shorter_side(a) < shorter_side(b); });
  report.largest = first_by(
      facts, [](const Size& a, const Size& b) { return a.height * a.width > b.height * b.width; });
  report.elongated = first_by(facts, is_more_elongated);
  return report;
}

}  // namespace vim::data
