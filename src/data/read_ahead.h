// Images read ahead of decoding by threads that do nothing else, so that slow file systems answer
// many requests at once.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <exception>
#include <map>
#include <mutex>
#include <set>
#include <stop_token>
#include <thread>
#include <vector>

#include "src/data/source/dataset.h"

namespace vim::data {

/// Twice what 256 photographs of a megabyte need; guards against sets of huge pictures.
inline constexpr int64_t kReadAheadBytes = int64_t{512} << 20;

struct ReadAheadOptions {
  int64_t readers = 0;              // threads
  int64_t images = 256;             // most images being read or waiting to be taken
  int64_t bytes = kReadAheadBytes;  // of images waiting from which on no further one is begun
};

/// Reads the images of an order, each for one taker. Takers may be several threads; start() needs
/// that none is inside take(). No taker waits for an image that nobody is reading, so nobody hangs
/// when images are left lying.
class ReadAhead {
 public:
  /// `dataset` must outlive it. Throws std::invalid_argument on an option out of range.
  ReadAhead(const Dataset& dataset, const ReadAheadOptions& options);

  /// Ends as soon as the reads under way have.
  ~ReadAhead();
  ReadAhead(const ReadAhead&) = delete;
  ReadAhead& operator=(const ReadAhead&) = delete;

  /// Begins to read the images `indices`, whose positions count from `first`. What was read before
  /// is dropped, after the reads under way have ended.
  void start(std::vector<int64_t> indices, int64_t first);

  /// The image at a position of the order, as Dataset::fetch(); what that threw is thrown here. If
  /// no reader has come so far, the calling thread fetches it. Each position at most once.
  StoredImage take(int64_t position, std::vector<uint8_t>& buffer);

 private:
  struct Entry {
    std::vector<uint8_t> buffer;
    StoredImage image;
    std::exception_ptr error;
    bool is_ready = false;
  };

  int64_t index_at(int64_t position) const;
  bool has_work() const;
  void pass_taken();
  Entry fetch(int64_t index) const;
  void read(const std::stop_token& stop);

  const Dataset& dataset_;
  const ReadAheadOptions options_;

  std::mutex mutex_;  // guards all that follows, but for the order while somebody reads
  std::condition_variable_any work_available_;
  std::condition_variable image_ready_;
  std::vector<int64_t> indices_;
  int64_t first_ = 0;
  int64_t next_ = 0;  // first position that no reader has begun
  int64_t end_ = 0;
  std::map<int64_t, Entry> entries_;  // below next_: begun and not taken
  std::set<int64_t> taken_;           // from next_ on: taken before a reader came
  int64_t held_bytes_ = 0;
  int64_t num_reading_ = 0;

  std::vector<std::jthread> threads_;  // last: ends before what it uses
};

}  // namespace vim::data
