// Reading ahead over a data set in memory that says when it is asked, and can be made to wait.
#include "src/data/read_ahead.h"

#include <algorithm>
#include <condition_variable>
#include <stdexcept>
#include <string>

#include "tests/data/loaded_epoch.h"
#include "tests/support/catch.h"

namespace {

using vim::data::ReadAhead;
using vim::data::ReadAheadOptions;
using vim::data::StoredImage;
using vim::test::in_order;

constexpr size_t kImageBytes = 100;

// Image i is kImageBytes of the value i. While the gate is shut, images from `gated` on wait.
class WatchedDataset : public vim::data::Dataset {
 public:
  explicit WatchedDataset(int64_t size, std::set<int64_t> broken = {})
      : size_(size), broken_(std::move(broken)) {}

  int64_t size() const override { return size_; }
  const std::vector<std::string>& class_names() const override { return class_names_; }
  int64_t label(int64_t /*index*/) const override { return 0; }
  std::string name(int64_t index) const override { return "image" + std::to_string(index); }

  StoredImage fetch(int64_t index, std::vector<uint8_t>& buffer) const override {
    std::unique_lock lock(mutex_);
    log_.push_back(index);
    most_ahead_ = std::max(most_ahead_, static_cast<int64_t>(log_.size()) - num_taken_);
    changed_.notify_all();
    changed_.wait(lock, [&] { return index < gated_; });
    if (broken_.count(index) != 0) {
      throw std::runtime_error(name(index));
    }
    buffer.assign(kImageBytes, static_cast<uint8_t>(index));
    return {buffer};
  }

  // To be called before each take: counts are then never greater than what is held.
  void count_taken() {
    const std::lock_guard lock(mutex_);
    ++num_taken_;
  }
  void shut_from(int64_t index) {
    const std::lock_guard lock(mutex_);
    gated_ = index;
  }
  void open() {
    const std::lock_guard lock(mutex_);
    gated_ = size_;
    changed_.notify_all();
  }
  void wait_for_fetches(size_t count) const {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return log_.size() >= count; });
  }
  std::vector<int64_t> log() const {
    const std::lock_guard lock(mutex_);
    return log_;
  }
  int64_t most_ahead() const {
    const std::lock_guard lock(mutex_);
    return most_ahead_;
  }

 private:
  int64_t size_;
  std::set<int64_t> broken_;
  std::vector<std::string> class_names_ = {"0"};
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  mutable std::vector<int64_t> log_;
  mutable int64_t most_ahead_ = 0;
  int64_t num_taken_ = 0;
  int64_t gated_ = int64_t{1} << 40;
};

ReadAheadOptions options_of(int64_t readers, int64_t images) {
  ReadAheadOptions options;
  options.readers = readers;
  options.images = images;
  return options;
}

// The number that an image's bytes tell, or -1 if they are not its.
int64_t number_of(const StoredImage& image) {
  const bool is_whole = image.bytes.size() == kImageBytes &&
                        std::all_of(image.bytes.begin(), image.bytes.end(), [&image](uint8_t byte) {
                          return byte == image.bytes.front();
                        });
  return is_whole ? image.bytes.front() : -1;
}

int64_t take(ReadAhead& ahead, int64_t position) {
  std::vector<uint8_t> buffer;
  return number_of(ahead.take(position, buffer));
}

}  // namespace

TEST_CASE("Each position gives its own image, however many threads read") {
  const std::vector<int64_t> order = {7, 3, 3, 199, 0, 12, 7, 5};
  for (const int64_t readers : {1, 2, 7}) {
    const WatchedDataset dataset(200);
    ReadAhead ahead(dataset, options_of(readers, 3));
    ahead.start(order, 20);
    for (size_t i = 0; i < order.size(); ++i) {
      CHECK(take(ahead, 20 + static_cast<int64_t>(i)) == order[i]);
    }
    CHECK(dataset.log().size() == order.size());
  }
}

TEST_CASE("One reader reads in the order given, before anybody asks") {
  const WatchedDataset dataset(100);
  ReadAhead ahead(dataset, options_of(1, 4));
  ahead.start({9, 4, 77, 1, 30, 2}, 0);
  dataset.wait_for_fetches(4);
  CHECK(dataset.log() == std::vector<int64_t>{9, 4, 77, 1});
}

TEST_CASE("Never more images are read ahead than allowed") {
  WatchedDataset dataset(200);
  ReadAhead ahead(dataset, options_of(3, 5));
  ahead.start(in_order(200), 0);
  dataset.wait_for_fetches(5);
  for (int64_t position = 0; position < 200; ++position) {
    dataset.count_taken();
    CHECK(take(ahead, position) == position);
  }
  CHECK(dataset.most_ahead() == 5);
}

TEST_CASE("Once the images waiting fill their memory, no further one is begun") {
  WatchedDataset dataset(200);
  ReadAheadOptions options = options_of(1, 100);
  options.bytes = 4 * kImageBytes;
  ReadAhead ahead(dataset, options);
  ahead.start(in_order(200), 0);
  dataset.wait_for_fetches(4);
  for (int64_t position = 0; position < 200; ++position) {
    dataset.count_taken();
    CHECK(take(ahead, position) == position);
  }
  CHECK(dataset.most_ahead() == 4);
}

TEST_CASE("A read that failed is thrown at its position only") {
  const WatchedDataset dataset(30, {6, 8});
  ReadAhead ahead(dataset, options_of(2, 30));
  ahead.start(in_order(30), 0);
  dataset.wait_for_fetches(30);
  for (int64_t position = 0; position < 30; ++position) {
    if (position == 6 || position == 8) {
      CHECK_THROWS_WITH(take(ahead, position), "image" + std::to_string(position));
    } else {
      CHECK(take(ahead, position) == position);
    }
  }
}

TEST_CASE("Who asks for an image that no reader has begun reads it himself") {
  WatchedDataset dataset(30);
  dataset.shut_from(0);
  ReadAhead ahead(dataset, options_of(1, 4));
  ahead.start(in_order(30), 0);
  dataset.wait_for_fetches(1);  // the reader is held up at image 0
  {
    std::jthread opener([&dataset] {
      dataset.wait_for_fetches(2);  // the taker's
      dataset.open();
    });
    CHECK(take(ahead, 2) == 2);
  }
  for (const int64_t position : {0, 1, 3, 4, 5, 6}) {
    CHECK(take(ahead, position) == position);
  }
  const std::vector<int64_t> log = dataset.log();
  CHECK(std::count(log.begin(), log.end(), 2) == 1);
}

TEST_CASE("Images left lying do not hold up those behind them") {
  const WatchedDataset dataset(30);
  ReadAhead ahead(dataset, options_of(2, 4));
  ahead.start(in_order(30), 0);
  dataset.wait_for_fetches(4);
  for (int64_t position = 4; position < 30; ++position) {
    CHECK(take(ahead, position) == position);
  }
}

TEST_CASE("Reading can be started anew or ended at any point") {
  const WatchedDataset dataset(100);
  for (int64_t num_taken = 0; num_taken < 12; ++num_taken) {
    ReadAhead ahead(dataset, options_of(3, 5));
    ahead.start(in_order(100), 0);
    for (int64_t position = 0; position < num_taken; ++position) {
      CHECK(take(ahead, position) == position);
    }
    ahead.start({50, 40, 30}, 7);
    CHECK(take(ahead, 7) == 50);
    CHECK(take(ahead, 8) == 40);
  }
}

TEST_CASE("Reading ahead refuses options out of range and a position twice") {
  const WatchedDataset dataset(10);
  CHECK_THROWS_AS(ReadAhead(dataset, options_of(0, 1)), std::invalid_argument);
  CHECK_THROWS_AS(ReadAhead(dataset, options_of(1, 0)), std::invalid_argument);
  ReadAhead ahead(dataset, options_of(1, 3));
  ahead.start(in_order(10), 0);
  dataset.wait_for_fetches(3);
  CHECK(take(ahead, 1) == 1);
  CHECK_THROWS_AS(take(ahead, 1), std::invalid_argument);
}
