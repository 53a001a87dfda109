// A data set whose images stay in memory once they have been fetched.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "src/data/data_options.h"
#include "src/data/source/dataset.h"

namespace vim::data {

/// Keeps what fits, first come, and never lets go of it: an epoch asks for every image once, so
/// that whatever made room for another would be missed just as soon. What lies in the underlying
/// set's own memory is handed on and not kept.
///
/// CacheMode::kEncoded keeps the bytes as stored. kDecoded keeps the pixels of whole pictures,
/// decoded exactly: DecodeMode::kFast decodes by the crop, which differs from epoch to epoch, so
/// that pixels would depend on what is kept.
class CachedDataset : public Dataset {
 public:
  /// `max_bytes`: of all images kept. Throws std::invalid_argument if it is negative, the mode is
  /// kNone, or it is kDecoded and `decode` not exact.
  CachedDataset(
      std::unique_ptr<const Dataset> dataset,
      CacheMode mode,
      int64_t max_bytes,
      const DecodeOptions& decode);
  ~CachedDataset() override;

  int64_t size() const override { return dataset_->size(); }
  const std::vector<std::string>& class_names() const override { return dataset_->class_names(); }
  int64_t label(int64_t index) const override { return dataset_->label(index); }
  std::string name(int64_t index) const override { return dataset_->name(index); }

  /// As the underlying set's; with kDecoded throws BadImage too, and the same bad image every time.
  StoredImage fetch(int64_t index, std::vector<uint8_t>& buffer) const override;

  /// Of the images kept.
  int64_t num_bytes() const { return num_bytes_.load(); }

 private:
  struct Entry {
    std::vector<uint8_t> bytes;
    Size pixels;
  };

  bool reserve(size_t bytes) const;
  StoredImage keep(int64_t index, std::unique_ptr<const Entry> entry) const;
  StoredImage fetch_encoded(int64_t index, const StoredImage& stored) const;
  StoredImage fetch_decoded(int64_t index, const StoredImage& stored) const;

  std::unique_ptr<const Dataset> dataset_;
  const CacheMode mode_;
  const int64_t max_bytes_;
  const DecodeOptions decode_;
  mutable std::vector<std::atomic<const Entry*>> entries_;  // by image number; owned
  mutable std::atomic<int64_t> num_bytes_ = 0;
  mutable std::atomic_flag is_full_;  // told to the user
};

/// The data set as data.cache and data.cache_mib say: itself, or kept in memory.
std::unique_ptr<Dataset> with_cache(std::unique_ptr<Dataset> dataset, const DataOptions& options);

}  // namespace vim::data
