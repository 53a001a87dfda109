// One sample of an epoch: read, transformed, and replaced where its image is bad. The loader's
// threads share one reader.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "src/data/data_options.h"
#include "src/data/image/decode.h"
#include "src/data/read_ahead.h"
#include "src/data/source/dataset.h"
#include "src/data/source/read_error.h"
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

/// Seconds that samples have taken, step by step.
struct StageSeconds {
  double read = 0.0;  // or waiting for a reading thread
  double decode = 0.0;
  double resize = 0.0;   // crop and flip with it
  double augment = 0.0;  // colour and geometry policies

  StageSeconds& operator+=(const StageSeconds& other);
};

StageSeconds operator-(StageSeconds a, const StageSeconds& b);

/// What a thread keeps from sample to sample.
struct SampleScratch {
  explicit SampleScratch(DecodeOptions options) : decoder(options) {}

  ImageDecoder decoder;
  std::vector<uint8_t> bytes;
  StageSeconds seconds;  // added up by SampleReader::read
};

class SampleReader {
 public:
  /// `dataset` and `transform` must outlive the reader. Without read_ahead.readers the threads that
  /// call read() fetch the images themselves.
  SampleReader(
      const Dataset& dataset,
      const Transform& transform,
      uint64_t seed,
      OnBadImage on_bad_image,
      const ReadAheadOptions& read_ahead);

  /// Says that the positions from `first` to before `end` will be read, each once. Nobody may be
  /// inside read(), and the order of further calls of it is this one.
  void begin(const EpochOrder& order, int64_t first, int64_t end);

  /// Writes the sample at `position` of the order to `out` (the transform's size). Its draws are
  /// keyed by seed, epoch and position, those of a substitute too. Throws vim::Error naming the
  /// file if it cannot be read or decoded and must not or cannot be replaced.
  Sample read(const EpochOrder& order, int64_t position, SampleScratch& scratch, uint8_t* out);

 private:
  void make(const Sample& sample, const core::RandomKey& key, SampleScratch& scratch, uint8_t* out);
  StoredImage fetch(const Sample& sample, int64_t position, std::vector<uint8_t>& buffer);
  void handle_bad(int64_t index, const std::string& problem);
  void handle_unreadable(int64_t index, const ReadError& error);

  const Dataset& dataset_;
  const Transform& transform_;
  const uint64_t seed_;
  const OnBadImage on_bad_image_;
  std::unique_ptr<ReadAhead> read_ahead_;  // or none
  std::mutex mutex_;
  std::set<int64_t> reported_;  // bad images already logged
};

}  // namespace vim::data
