// One pointer for each image, set once: a reader needs no lock, and of two threads that fetch the
// same image the slower drops its copy.
#include "src/data/cached_dataset.h"

#include <fmt/format.h>

#include <cstring>
#include <stdexcept>
#include <utility>

#include "src/core/logging.h"
#include "src/data/image/decode.h"

namespace vim::data {
namespace {

// The pixels of a view without gaps between its rows.
std::vector<uint8_t> packed(const ImageView& view) {
  const int64_t row_bytes = view.width * 3;
  std::vector<uint8_t> pixels(static_cast<size_t>(view.height * row_bytes));
  for (int64_t y = 0; y < view.height; ++y) {
    std::memcpy(
        pixels.data() + y * row_bytes,
        view.pixels + y * view.row_stride,
        static_cast<size_t>(row_bytes));
  }
  return pixels;
}

}  // namespace

CachedDataset::CachedDataset(
    std::unique_ptr<const Dataset> dataset,
    CacheMode mode,
    int64_t max_bytes,
    const DecodeOptions& decode)
    : dataset_(std::move(dataset)),
      mode_(mode),
      max_bytes_(max_bytes),
      decode_(decode),
      entries_(static_cast<size_t>(dataset_->size())) {
  if (mode == CacheMode::kNone || max_bytes < 0) {
    throw std::invalid_argument(fmt::format(
        "CachedDataset: a mode other than kNone and max_bytes >= 0, got {}", max_bytes));
  }
  if (mode == CacheMode::kDecoded && decode.mode != DecodeMode::kExact) {
    throw std::invalid_argument("CachedDataset: decoded pictures are kept in exact mode alone");
  }
}

CachedDataset::~CachedDataset() {
  for (const std::atomic<const Entry*>& entry : entries_) {
    delete entry.load();
  }
}

StoredImage CachedDataset::fetch(int64_t index, std::vector<uint8_t>& buffer) const {
  const auto& place = entries_.at(static_cast<size_t>(index));
  if (const Entry* entry = place.load(std::memory_order_acquire)) {
    return {entry->bytes, entry->pixels};
  }
  const StoredImage stored = dataset_->fetch(index, buffer);
  if (stored.bytes.data() != buffer.data()) {
    return stored;  // in memory already
  }
  const bool is_to_decode = mode_ == CacheMode::kDecoded && stored.pixels == Size{};
  return is_to_decode ? fetch_decoded(index, stored) : fetch_encoded(index, stored);
}

StoredImage CachedDataset::fetch_encoded(int64_t index, const StoredImage& stored) const {
  if (!reserve(stored.bytes.size())) {
    return stored;
  }
  return keep(
      index,
      std::make_unique<const Entry>(
          Entry{{stored.bytes.begin(), stored.bytes.end()}, stored.pixels}));
}

StoredImage CachedDataset::fetch_decoded(int64_t index, const StoredImage& stored) const {
  ImageDecoder decoder(decode_);
  const Size size = decoder.open(stored.bytes);
  const auto num_bytes = static_cast<size_t>(size.height * size.width * 3);
  if (!reserve(num_bytes)) {
    return stored;  // a part of it may be enough
  }
  try {
    const ImageView view = decoder.decode({{0, 0, size.height, size.width}}).pixels;
    return keep(
        index, std::make_unique<const Entry>(Entry{packed(view), {view.height, view.width}}));
  } catch (...) {
    num_bytes_ -= static_cast<int64_t>(num_bytes);
    throw;
  }
}

// Claims room for an image; says so once when there is none left for one.
bool CachedDataset::reserve(size_t bytes) const {
  const auto wanted = static_cast<int64_t>(bytes);
  if (num_bytes_.fetch_add(wanted) + wanted <= max_bytes_) {
    return true;
  }
  num_bytes_ -= wanted;
  if (!is_full_.test_and_set()) {
    constexpr int64_t kMebibyte = 1 << 20;
    spdlog::info(
        "data.cache: {} MiB are full; images that do not fit are read anew in each epoch",
        max_bytes_ / kMebibyte);
  }
  return false;
}

StoredImage CachedDataset::keep(int64_t index, std::unique_ptr<const Entry> entry) const {
  std::atomic<const Entry*>& place = entries_[static_cast<size_t>(index)];
  const Entry* kept = nullptr;
  if (place.compare_exchange_strong(kept, entry.get(), std::memory_order_acq_rel)) {
    kept = entry.release();
  } else {
    num_bytes_ -= static_cast<int64_t>(entry->bytes.size());
  }
  return {kept->bytes, kept->pixels};
}

std::unique_ptr<Dataset> with_cache(std::unique_ptr<Dataset> dataset, const DataOptions& options) {
  if (options.cache == CacheMode::kNone) {
    return dataset;
  }
  return std::make_unique<CachedDataset>(
      std::move(dataset), options.cache, options.cache_mib << 20, options.decode);
}

}  // namespace vim::data
