// The loader's threads share one counter over the epoch's order and claim a few samples at a time,
// so all work on the batch that is needed next. Batches live in a ring of slots; a slot is filled
// again once the batch in it has been given back. Everything but the pixels is guarded by one
// mutex.
#include "src/data/loader.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>

#include <fmt/format.h>

#include "src/core/error.h"
#include "src/data/sample_reader.h"

namespace vim::data {
namespace {

constexpr int64_t kMaxChunk = 8;  // samples claimed at once

void require(bool holds, const std::string& what) {
  if (!holds) {
    throw std::invalid_argument("Loader: " + what);
  }
}

struct Slot {
  std::shared_ptr<uint8_t[]> images;
  LoadedBatch batch;
  int64_t remaining = 0;  // samples not finished
  bool is_ready = false;
  int64_t substituted = 0;
  std::string error;  // of the first bad position, whichever thread met one first
  int64_t error_position = 0;
};

// A run of samples of one batch.
struct Chunk {
  Slot* slot = nullptr;
  int64_t position = 0;
  int64_t length = 0;
};

struct ChunkResult {
  int64_t substituted = 0;
  std::string error;
  int64_t error_position = 0;
};

}  // namespace

class Loader::Impl {
 public:
  Impl(const Dataset& dataset, const Transform& transform, LoaderOptions options);
  ~Impl();

  void start(std::vector<int64_t> order, uint64_t epoch, int64_t first_position);
  const LoadedBatch* next();
  LoaderStats stats();

 private:
  Slot& slot_of(int64_t batch) { return slots_[static_cast<size_t>(batch) % slots_.size()]; }
  int64_t batch_of(int64_t position) const { return (position - first_) / options_.batch_size; }
  bool has_work() const;
  Chunk claim();
  void open_slot(Slot& slot);
  void release_current();
  void work(const std::stop_token& stop);
  ChunkResult fill(const Chunk& chunk, SampleScratch& scratch);
  void finish(const Chunk& chunk, ChunkResult result);

  const int64_t num_images_;
  const LoaderOptions options_;
  SampleReader reader_;
  int64_t sample_bytes_ = 0;
  int64_t chunk_length_ = 1;
  LoaderStats stats_;

  std::mutex mutex_;
  std::condition_variable_any work_available_;
  std::condition_variable batch_ready_;  // also: a worker has become idle
  std::vector<Slot> slots_;
  EpochOrder order_;  // with first_, constant while a worker is busy
  int64_t first_ = 0;
  int64_t end_ = 0;        // behind the last position to load
  int64_t next_ = 0;       // first position not claimed
  int64_t released_ = 0;   // batches given back
  int64_t delivered_ = 0;  // batches handed out
  int64_t num_busy_ = 0;
  bool is_active_ = false;

  std::vector<std::jthread> threads_;  // last: ends before what it uses
};

Loader::Impl::Impl(const Dataset& dataset, const Transform& transform, LoaderOptions options)
    : num_images_(dataset.size()),
      options_(std::move(options)),
      reader_(dataset, transform, options_.seed, options_.on_bad_image, options_.read_ahead) {
  require(options_.batch_size >= 1, fmt::format("batch_size >= 1, got {}", options_.batch_size));
  require(options_.workers >= 0, fmt::format("workers >= 0, got {}", options_.workers));
  require(
      options_.prefetch_batches >= 1,
      fmt::format("prefetch_batches >= 1, got {}", options_.prefetch_batches));
  const int64_t num_cores = std::max(1U, std::thread::hardware_concurrency());
  const int64_t num_threads = options_.workers > 0 ? options_.workers : num_cores;
  chunk_length_ = std::clamp<int64_t>(options_.batch_size / (4 * num_threads), 1, kMaxChunk);
  sample_bytes_ = transform.height() * transform.width() * 3;
  slots_.resize(static_cast<size_t>(options_.prefetch_batches) + 1);
  const auto slot_bytes = static_cast<size_t>(sample_bytes_ * options_.batch_size);
  for (Slot& slot : slots_) {
    slot.images =
        options_.allocate ? options_.allocate(slot_bytes) : std::make_shared<uint8_t[]>(slot_bytes);
    slot.batch.images = slot.images.get();
  }
  for (int64_t i = 0; i < num_threads; ++i) {
    threads_.emplace_back([this](const std::stop_token& stop) { work(stop); });
  }
}

Loader::Impl::~Impl() {
  {
    const std::lock_guard lock(mutex_);
    is_active_ = false;
  }
  for (std::jthread& thread : threads_) {
    thread.request_stop();
  }
}

void Loader::Impl::start(std::vector<int64_t> order, uint64_t epoch, int64_t first_position) {
  const auto length = static_cast<int64_t>(order.size());
  require(
      first_position >= 0 && first_position <= length,
      fmt::format("first_position in [0, {}], got {}", length, first_position));
  for (const int64_t index : order) {
    require(
        index >= 0 && index < num_images_,
        fmt::format("indices in [0, {}), got {}", num_images_, index));
  }
  std::unique_lock lock(mutex_);
  is_active_ = false;
  batch_ready_.wait(lock, [this] { return num_busy_ == 0; });
  const int64_t remaining = length - first_position;
  const int64_t surplus = options_.drop_last ? remaining % options_.batch_size : 0;
  order_ = {std::move(order), epoch};
  first_ = first_position;
  next_ = first_position;
  end_ = length - surplus;
  reader_.begin(order_, first_, end_);
  released_ = 0;
  delivered_ = 0;
  for (Slot& slot : slots_) {
    slot.is_ready = false;
  }
  is_active_ = true;
  lock.unlock();
  work_available_.notify_all();
}

const LoadedBatch* Loader::Impl::next() {
  std::unique_lock lock(mutex_);
  release_current();
  if (first_ + delivered_ * options_.batch_size >= end_) {
    return nullptr;
  }
  Slot& slot = slot_of(delivered_);
  const auto begin = std::chrono::steady_clock::now();
  batch_ready_.wait(lock, [&slot] { return slot.is_ready; });
  const std::chrono::duration<double> waited = std::chrono::steady_clock::now() - begin;
  stats_.wait_seconds += waited.count();
  if (!slot.error.empty()) {
    is_active_ = false;
    throw Error(slot.error);
  }
  stats_.substituted += slot.substituted;
  ++delivered_;
  return &slot.batch;
}

LoaderStats Loader::Impl::stats() {
  const std::lock_guard lock(mutex_);
  return stats_;
}

// Gives back the batch that is handed out, if one is.
void Loader::Impl::release_current() {
  if (released_ == delivered_) {
    return;
  }
  slot_of(released_).is_ready = false;
  ++released_;
  work_available_.notify_all();
}

bool Loader::Impl::has_work() const {
  return is_active_ && next_ < end_ &&
         batch_of(next_) < released_ + static_cast<int64_t>(slots_.size());
}

// Takes the next samples; the mutex is held and has_work() true. Towards the end of the epoch fewer
// and fewer, so that workers end together.
Chunk Loader::Impl::claim() {
  Slot& slot = slot_of(batch_of(next_));
  const int64_t offset = (next_ - first_) % options_.batch_size;
  if (offset == 0) {
    open_slot(slot);
  }
  const int64_t share = (end_ - next_) / (2 * static_cast<int64_t>(threads_.size()));
  const int64_t length = std::clamp<int64_t>(share, 1, chunk_length_);
  const Chunk chunk{&slot, next_, std::min(length, slot.batch.size - offset)};
  next_ += chunk.length;
  return chunk;
}

void Loader::Impl::open_slot(Slot& slot) {
  slot.batch.size = std::min(options_.batch_size, end_ - next_);
  slot.batch.first_position = next_;
  slot.batch.labels.resize(static_cast<size_t>(slot.batch.size));
  slot.batch.indices.resize(static_cast<size_t>(slot.batch.size));
  slot.remaining = slot.batch.size;
  slot.substituted = 0;
  slot.error.clear();
}

void Loader::Impl::work(const std::stop_token& stop) {
  SampleScratch scratch(options_.decode);
  std::unique_lock lock(mutex_);
  while (work_available_.wait(lock, stop, [this] { return has_work(); })) {
    if (stop.stop_requested()) {
      return;
    }
    const Chunk chunk = claim();
    ++num_busy_;
    lock.unlock();
    ChunkResult result = fill(chunk, scratch);
    lock.lock();
    --num_busy_;
    stats_.stages += std::exchange(scratch.seconds, {});
    finish(chunk, std::move(result));
  }
}

void Loader::Impl::finish(const Chunk& chunk, ChunkResult result) {
  Slot& slot = *chunk.slot;
  slot.substituted += result.substituted;
  const bool is_first_error =
      !result.error.empty() && (slot.error.empty() || result.error_position < slot.error_position);
  if (is_first_error) {
    slot.error = std::move(result.error);
    slot.error_position = result.error_position;
  }
  slot.remaining -= chunk.length;
  slot.is_ready = slot.remaining == 0;
  if (slot.is_ready || num_busy_ == 0) {
    batch_ready_.notify_all();
  }
}

ChunkResult Loader::Impl::fill(const Chunk& chunk, SampleScratch& scratch) {
  ChunkResult result;
  LoadedBatch& batch = chunk.slot->batch;
  for (int64_t position = chunk.position; position < chunk.position + chunk.length; ++position) {
    const int64_t row = position - batch.first_position;
    try {
      const Sample sample =
          reader_.read(order_, position, scratch, chunk.slot->images.get() + row * sample_bytes_);
      batch.labels[static_cast<size_t>(row)] = sample.label;
      batch.indices[static_cast<size_t>(row)] = sample.index;
      result.substituted += sample.is_substitute ? 1 : 0;
    } catch (const std::exception& error) {
      result.error = error.what();
      result.error_position = position;
      return result;
    }
  }
  return result;
}

LoaderOptions loader_options(const DataOptions& data) {
  LoaderOptions options;
  options.workers = data.workers;
  options.prefetch_batches = data.prefetch_batches;
  options.on_bad_image = data.on_bad_image;
  options.decode = data.decode;
  options.read_ahead.readers = data.readers;
  options.read_ahead.images = data.read_ahead;
  return options;
}

Loader::Loader(const Dataset& dataset, const Transform& transform, LoaderOptions options)
    : impl_(std::make_unique<Impl>(dataset, transform, std::move(options))) {}

Loader::~Loader() = default;

void Loader::start(std::vector<int64_t> order, uint64_t epoch, int64_t first_position) {
  impl_->start(std::move(order), epoch, first_position);
}

const LoadedBatch* Loader::next() { return impl_->next(); }

LoaderStats Loader::stats() const { return impl_->stats(); }

}  // namespace vim::data
