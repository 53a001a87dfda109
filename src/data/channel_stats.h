// Mean and standard deviation of each colour over any number of pixels, from exact sums.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>

namespace vim::data {

/// Integer sums, so that no order of adding shows. Exact up to 2.8e14 pixels, where the sum of
/// squares might exceed 64 bits.
class ChannelStats {
 public:
  /// Adds RGB pixels, 3 bytes each.
  void add(std::span<const uint8_t> pixels);

  void add(const ChannelStats& other);

  uint64_t num_pixels() const { return num_pixels_; }

  /// Of red, green and blue in [0, 1]; the deviation is that of the pixels themselves (divided by
  /// their number). 0 without pixels.
  std::array<double, 3> mean() const;
  std::array<double, 3> std() const;

  /// Seven integers with blanks between, and back. Throws vim::Error for a text that is none.
  std::string to_text() const;
  static ChannelStats from_text(const std::string& text);

  bool operator==(const ChannelStats&) const = default;

 private:
  uint64_t num_pixels_ = 0;
  std::array<uint64_t, 3> sum_{};
  std::array<uint64_t, 3> squares_{};
};

}  // namespace vim::data
