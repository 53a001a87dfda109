// The policy for bad images: end the run, or go on along the order until an image can be decoded.
#include "src/data/sample_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <stdexcept>
#include <string>

#include "src/core/error.h"
#include "src/core/logging.h"
#include "src/data/source/read_error.h"

namespace vim::data {
namespace {

constexpr int64_t kMaxSubstitutes = 100;  // bad images in a row that end the run: the disk is gone

// Seconds from one call of lap() to the next.
class Stopwatch {
 public:
  double lap() {
    const auto now = std::chrono::steady_clock::now();
    const std::chrono::duration<double> passed = now - last_;
    last_ = now;
    return passed.count();
  }

 private:
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

ImagePart decode(const StoredImage& stored, ImageDecoder& decoder, const auto& request_of) {
  if (stored.pixels != Size{}) {
    const auto [height, width] = stored.pixels;
    return part_of({stored.bytes.data(), height, width, width * 3});
  }
  const Size size = decoder.open(stored.bytes);
  return decoder.decode(request_of(size));
}

}  // namespace

SampleReader::SampleReader(
    const Dataset& dataset,
    const Transform& transform,
    uint64_t seed,
    OnBadImage on_bad_image,
    const ReadAheadOptions& read_ahead)
    : dataset_(dataset), transform_(transform), seed_(seed), on_bad_image_(on_bad_image) {
  if (read_ahead.readers != 0) {
    read_ahead_ = std::make_unique<ReadAhead>(dataset, read_ahead);
  }
}

StageSeconds& StageSeconds::operator+=(const StageSeconds& other) {
  read += other.read;
  decode += other.decode;
  resize += other.resize;
  augment += other.augment;
  return *this;
}

StageSeconds operator-(StageSeconds a, const StageSeconds& b) {
  return a += {-b.read, -b.decode, -b.resize, -b.augment};
}

void SampleReader::begin(const EpochOrder& order, int64_t first, int64_t end) {
  if (read_ahead_) {
    const auto indices = order.indices.begin();
    read_ahead_->start({indices + first, indices + end}, first);
  }
}

Sample SampleReader::read(
    const EpochOrder& order, int64_t position, SampleScratch& scratch, uint8_t* out) {
  core::RandomKey key;
  key.seed = seed_;
  key.period = order.epoch;
  key.position = static_cast<uint64_t>(position);

  const auto length = static_cast<int64_t>(order.indices.size());
  for (int64_t tried = 0; tried <= std::min(length - 1, kMaxSubstitutes); ++tried) {
    const int64_t index = order.indices[static_cast<size_t>((position + tried) % length)];
    const Sample sample{dataset_.label(index), index, tried > 0};
    try {
      make(sample, key, scratch, out);
      return sample;
    } catch (const BadImage& bad) {
      handle_bad(index, fmt::format("cannot be decoded: {}", bad.what()));
    } catch (const ReadError& error) {
      handle_unreadable(index, error);
    }
  }
  throw Error(fmt::format(
      "{}: neither this image nor those that follow it in the epoch's order can be read and "
      "decoded; check the data set",
      dataset_.name(order.indices[static_cast<size_t>(position)])));
}

// Whatever goes wrong, but for BadImage, becomes a vim::Error with the image's name.
void SampleReader::make(
    const Sample& sample, const core::RandomKey& key, SampleScratch& scratch, uint8_t* out) {
  StageSeconds& seconds = scratch.seconds;
  Stopwatch watch;
  try {
    const StoredImage stored = fetch(sample, static_cast<int64_t>(key.position), scratch.bytes);
    seconds.read += watch.lap();
    const ImagePart part = decode(
        stored, scratch.decoder, [&](const Size& size) { return transform_.request(size, key); });
    seconds.decode += watch.lap();
    transform_.resize(part, key, out);
    seconds.resize += watch.lap();
    transform_.augment(key, out);
    seconds.augment += watch.lap();
  } catch (const BadImage&) {
    throw;
  } catch (const Error&) {
    throw;
  } catch (const std::exception& error) {
    throw Error(fmt::format("{}: {}; check this file", dataset_.name(sample.index), error.what()));
  }
}

// A substitute is fetched at once: its image may be waiting at its own position, for whoever reads
// that.
StoredImage SampleReader::fetch(
    const Sample& sample, int64_t position, std::vector<uint8_t>& buffer) {
  return read_ahead_ && !sample.is_substitute ? read_ahead_->take(position, buffer)
                                              : dataset_.fetch(sample.index, buffer);
}

// Ends the run or, where substitutes are allowed, logs each bad image once.
void SampleReader::handle_bad(int64_t index, const std::string& problem) {
  const std::string what = fmt::format("{}: {}", dataset_.name(index), problem);
  if (on_bad_image_ == OnBadImage::kError) {
    throw Error(what + "; replace or remove it, or train with data.on_bad_image: substitute");
  }
  const std::lock_guard lock(mutex_);
  if (reported_.insert(index).second) {
    spdlog::warn("{}; another image takes its place", what);
  }
}

// A file that cannot be read calls for another remedy than replacing it.
void SampleReader::handle_unreadable(int64_t index, const ReadError& error) {
  if (on_bad_image_ == OnBadImage::kError) {
    throw error;
  }
  handle_bad(index, fmt::format("cannot be read: {}", error.reason()));
}

}  // namespace vim::data
