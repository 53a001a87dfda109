// Batches of transformed images, made ahead of time by threads of this process.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "src/data/data_options.h"
#include "src/data/read_ahead.h"
#include "src/data/sample_reader.h"
#include "src/data/source/dataset.h"
#include "src/data/transform.h"

namespace vim::data {

/// Gives the memory of one batch of that many bytes (e.g. pinned memory).
using AllocateBytes = std::function<std::shared_ptr<uint8_t[]>(size_t)>;

struct LoaderOptions {
  int64_t batch_size = 1;
  int64_t workers = 0;           // threads; 0: as many as the machine has cores
  int64_t prefetch_batches = 4;  // finished or begun ahead of the one handed out
  uint64_t seed = 0;
  bool drop_last = false;  // leave out a last batch that is not full
  OnBadImage on_bad_image = OnBadImage::kError;
  DecodeOptions decode;
  ReadAheadOptions read_ahead;
  AllocateBytes allocate;  // empty: ordinary memory
};

/// What the configuration says of loading; batch size, seed and memory are left as they are.
LoaderOptions loader_options(const DataOptions& data);

/// One batch. `images`: size x height x width x 3 bytes. `indices` are the data set's image numbers
/// that were really read (a substitute's own), `first_position` the order's position of the first.
struct LoadedBatch {
  const uint8_t* images = nullptr;
  int64_t size = 0;
  std::vector<int64_t> labels;
  std::vector<int64_t> indices;
  int64_t first_position = 0;
};

/// Counted since construction: over the batches handed out, and `stages` over all that workers have
/// done, each worker's seconds added up.
struct LoaderStats {
  int64_t substituted = 0;    // samples replaced: their image could not be read or decoded
  double wait_seconds = 0.0;  // time spent inside next() waiting for workers
  StageSeconds stages;
};

/// Reads a data set in a given order. Used from one thread. The batches are the same, byte for
/// byte, for any number of workers and readers and when started in mid-epoch: a sample's draws are
/// keyed by (seed, epoch, absolute position in the order).
class Loader {
 public:
  /// `dataset` and `transform` must outlive the loader. Throws std::invalid_argument on an option
  /// out of range.
  Loader(const Dataset& dataset, const Transform& transform, LoaderOptions options);
  ~Loader();
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;

  /// Begins an epoch at `first_position` of `order`; what was under way is dropped. Throws
  /// std::invalid_argument on an index or a position out of range.
  void start(std::vector<int64_t> order, uint64_t epoch, int64_t first_position = 0);

  /// The next batch, valid until the following next() or start(); nullptr at the end of the order
  /// and before the first start(). Throws vim::Error naming the file if an image of this batch
  /// cannot be read, and again on every call until the next start().
  const LoadedBatch* next();

  LoaderStats stats() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace vim::data
