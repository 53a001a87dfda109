// Readers claim the positions of the order one by one as long as there is room. A taker that is
// faster than they are reads for itself, and they pass over its image.
#include "src/data/read_ahead.h"

#include <fmt/format.h>

#include <stdexcept>
#include <utility>

namespace vim::data {

ReadAhead::ReadAhead(const Dataset& dataset, const ReadAheadOptions& options)
    : dataset_(dataset), options_(options) {
  if (options.readers < 1 || options.images < 1 || options.bytes < 1) {
    throw std::invalid_argument(fmt::format(
        "ReadAhead: readers, images and bytes >= 1, got {}, {} and {}",
        options.readers,
        options.images,
        options.bytes));
  }
  for (int64_t i = 0; i < options.readers; ++i) {
    threads_.emplace_back([this](const std::stop_token& stop) { read(stop); });
  }
}

// All are told before the first is waited for.
ReadAhead::~ReadAhead() {
  for (std::jthread& thread : threads_) {
    thread.request_stop();
  }
}

void ReadAhead::start(std::vector<int64_t> indices, int64_t first) {
  {
    std::unique_lock lock(mutex_);
    end_ = next_;  // no work
    image_ready_.wait(lock, [this] { return num_reading_ == 0; });
    indices_ = std::move(indices);
    first_ = first;
    next_ = first;
    end_ = first + static_cast<int64_t>(indices_.size());
    entries_.clear();
    taken_.clear();
    held_bytes_ = 0;
  }
  work_available_.notify_all();
}

StoredImage ReadAhead::take(int64_t position, std::vector<uint8_t>& buffer) {
  std::unique_lock lock(mutex_);
  if (position >= next_) {
    taken_.insert(position);
    pass_taken();
    lock.unlock();
    return dataset_.fetch(index_at(position), buffer);
  }
  const auto found = entries_.find(position);
  if (found == entries_.end()) {
    throw std::invalid_argument(fmt::format("ReadAhead: {} is not there to be taken", position));
  }
  image_ready_.wait(lock, [&found] { return found->second.is_ready; });
  Entry entry = std::move(found->second);
  entries_.erase(found);
  held_bytes_ -= static_cast<int64_t>(entry.buffer.size());
  lock.unlock();
  work_available_.notify_all();
  if (entry.error) {
    std::rethrow_exception(entry.error);
  }
  buffer.swap(entry.buffer);
  return entry.image;
}

int64_t ReadAhead::index_at(int64_t position) const {
  return indices_.at(static_cast<size_t>(position - first_));
}

bool ReadAhead::has_work() const {
  return next_ < end_ && static_cast<int64_t>(entries_.size()) < options_.images &&
         held_bytes_ < options_.bytes;
}

// Moves next_ behind what takers have fetched; the mutex is held.
void ReadAhead::pass_taken() {
  while (taken_.erase(next_) != 0) {
    ++next_;
  }
}

ReadAhead::Entry ReadAhead::fetch(int64_t index) const {
  Entry entry;
  try {
    entry.image = dataset_.fetch(index, entry.buffer);
  } catch (...) {
    entry.error = std::current_exception();
  }
  entry.is_ready = true;
  return entry;
}

void ReadAhead::read(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  while (work_available_.wait(lock, stop, [this] { return has_work(); })) {
    if (stop.stop_requested()) {
      return;
    }
    const int64_t position = next_++;
    Entry& place = entries_[position];
    pass_taken();
    ++num_reading_;
    lock.unlock();
    Entry entry = fetch(index_at(position));
    lock.lock();
    --num_reading_;
    held_bytes_ += static_cast<int64_t>(entry.buffer.size());
    place = std::move(entry);
    image_ready_.notify_all();
  }
}

}  // namespace vim::data
