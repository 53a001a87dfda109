// One sample of an epoch: read, transformed, and replaced where its image is bad. The loader's
// threads share one reader.
#pragma once

#include <cstdint>
#include <mutex>
#include <set>
#include <vector>

#include "src/data/data_options.h"
#include "src/data/dataset.h"
#include "src/data/transform.h"

namespace vim::data {

/// The image numbers of one epoch by position.
struct EpochOrder {
  std::vector<int64_t> indices;
  uint64_t epoch = 0;
};

struct Sample {
  int64_t label = 0;
  int64_t index = 0;  // of the image that was really read
  bool is_substitute = false;
};

class SampleReader {
 public:
  /// `dataset` and `transform` must outlive the reader.
  SampleReader(
      const Dataset& dataset, const Transform& transform, uint64_t seed, OnBadImage on_bad_image);

  /// Writes the sample at `position` of the order to `out` (the transform's size). Its draws are
  /// keyed by seed, epoch and position, those of a substitute too. Throws vim::Error naming the
  /// file if it cannot be read, or cannot be decoded and must not or cannot be replaced.
  Sample read(const EpochOrder& order, int64_t position, uint8_t* out);

 private:
  void handle_bad(int64_t index, const char* reason);

  const Dataset& dataset_;
  const Transform& transform_;
  const uint64_t seed_;
  const OnBadImage on_bad_image_;
  std::mutex mutex_;
  std::set<int64_t> reported_;  // bad images already logged
};

}  // namespace vim::data
