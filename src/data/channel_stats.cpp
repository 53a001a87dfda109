// The variance times n^2, n * squares - sum^2, is formed in 128 bits: in double the two would
// cancel.
#include "src/data/channel_stats.h"

#include <fmt/format.h>

#include <cmath>
#include <sstream>

#include "src/core/error.h"

namespace vim::data {

void ChannelStats::add(std::span<const uint8_t> pixels) {
  for (size_t channel = 0; channel < 3; ++channel) {
    uint64_t sum = 0;
    uint64_t squares = 0;
    for (size_t i = channel; i < pixels.size(); i += 3) {
      const uint64_t value = pixels[i];
      sum += value;
      squares += value * value;
    }
    sum_[channel] += sum;
    squares_[channel] += squares;
  }
  num_pixels_ += pixels.size() / 3;
}

void ChannelStats::add(const ChannelStats& other) {
  for (size_t channel = 0; channel < 3; ++channel) {
    sum_[channel] += other.sum_[channel];
    squares_[channel] += other.squares_[channel];
  }
  num_pixels_ += other.num_pixels_;
}

std::array<double, 3> ChannelStats::mean() const {
  std::array<double, 3> mean{};
  for (size_t channel = 0; channel < 3 && num_pixels_ > 0; ++channel) {
    mean[channel] = static_cast<double>(sum_[channel]) / static_cast<double>(num_pixels_) / 255.0;
  }
  return mean;
}

std::array<double, 3> ChannelStats::std() const {
  using Wide = unsigned __int128;
  std::array<double, 3> std{};
  for (size_t channel = 0; channel < 3 && num_pixels_ > 0; ++channel) {
    const Wide scaled = Wide{num_pixels_} * squares_[channel] - Wide{sum_[channel]} * sum_[channel];
    std[channel] =
        std::sqrt(static_cast<double>(scaled)) / static_cast<double>(num_pixels_) / 255.0;
  }
  return std;
}

std::string ChannelStats::to_text() const {
  return fmt::format("{} {} {}", num_pixels_, fmt::join(sum_, " "), fmt::join(squares_, " "));
}

ChannelStats ChannelStats::from_text(const std::string& text) {
  std::istringstream in(text);
  ChannelStats stats;
  in >> stats.num_pixels_;
  for (uint64_t& value : stats.sum_) {
    in >> value;
  }
  for (uint64_t& value : stats.squares_) {
    in >> value;
  }
  if (!in) {
    throw Error(fmt::format("'{}': holds no sums of colours; check the file", text));
  }
  return stats;
}

}  // namespace vim::data
