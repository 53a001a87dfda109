// The policy for bad images: end the run, or go on along the order until an image can be decoded.
#include "src/data/sample_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>
#include <string>

#include "src/core/error.h"
#include "src/core/logging.h"
#include "src/data/decode.h"

namespace vim::data {
namespace {

constexpr int64_t kMaxSubstitutes = 100;  // bad images in a row that end the run

// Reads an image; whatever goes wrong becomes a vim::Error with the file's name, except BadImage.
Image read_named(const Dataset& dataset, int64_t index) {
  try {
    return read_image(dataset, index);
  } catch (const BadImage&) {
    throw;
  } catch (const Error&) {
    throw;
  } catch (const std::exception& error) {
    throw Error(fmt::format("{}: {}; check this file", dataset.name(index), error.what()));
  }
}

}  // namespace

SampleReader::SampleReader(
    const Dataset& dataset, const Transform& transform, uint64_t seed, OnBadImage on_bad_image)
    : dataset_(dataset), transform_(transform), seed_(seed), on_bad_image_(on_bad_image) {}

Sample SampleReader::read(const EpochOrder& order, int64_t position, uint8_t* out) {
  const auto length = static_cast<int64_t>(order.indices.size());
  for (int64_t tried = 0; tried <= std::min(length - 1, kMaxSubstitutes); ++tried) {
    const int64_t index = order.indices[static_cast<size_t>((position + tried) % length)];
    try {
      const Image image = read_named(dataset_, index);
      core::RandomKey key;
      key.seed = seed_;
      key.period = order.epoch;
      key.position = static_cast<uint64_t>(position);
      transform_.apply(image, key, out);
      return {dataset_.label(index), index, tried > 0};
    } catch (const BadImage& bad) {
      handle_bad(index, bad.what());
    }
  }
  throw Error(fmt::format(
      "{}: neither this image nor those that follow it in the epoch's order can be decoded; check "
      "the data set",
      dataset_.name(order.indices[static_cast<size_t>(position)])));
}

// Ends the run or, where substitutes are allowed, logs each bad image once.
void SampleReader::handle_bad(int64_t index, const char* reason) {
  const std::string what = fmt::format("{}: cannot be decoded: {}", dataset_.name(index), reason);
  if (on_bad_image_ == OnBadImage::kError) {
    throw Error(what + "; replace or remove it, or train with data.on_bad_image: substitute");
  }
  const std::lock_guard lock(mutex_);
  if (reported_.insert(index).second) {
    spdlog::warn("{}; another image takes its place", what);
  }
}

}  // namespace vim::data
