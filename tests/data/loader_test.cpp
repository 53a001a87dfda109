// The loader over a data set in memory whose images tell their number.
#include "src/data/loader.h"

#include <atomic>
#include <numeric>
#include <set>
#include <stdexcept>

#include "src/data/image/decode.h"
#include "src/data/sampler.h"
#include "src/data/source/read_error.h"
#include "tests/data/loaded_epoch.h"
#include "tests/support/catch.h"
#include "tests/support/log_capture.h"
#include "tests/support/thrown_text.h"

namespace {

using vim::data::AugmentOptions;
using vim::data::BadImage;
using vim::data::Image;
using vim::data::LoadedBatch;
using vim::data::Loader;
using vim::data::LoaderOptions;
using vim::data::OnBadImage;
using vim::data::StoredImage;
using vim::test::contains;
using vim::test::drain;
using vim::test::in_order;
using Epoch = vim::test::LoadedEpoch;
using vim::test::thrown_text;

constexpr int64_t kSide = vim::test::kLoadedSide;

// Image i is filled with a pattern that starts at i; those in `bad` cannot be decoded, `broken`
// fail in a way that nobody foresees, `unreadable` cannot be read.
class MemoryDataset : public vim::data::Dataset {
 public:
  explicit MemoryDataset(
      int64_t size,
      std::set<int64_t> bad = {},
      std::set<int64_t> broken = {},
      std::set<int64_t> unreadable = {})
      : size_(size),
        bad_(std::move(bad)),
        broken_(std::move(broken)),
        unreadable_(std::move(unreadable)) {}

  int64_t size() const override { return size_; }
  const std::vector<std::string>& class_names() const override { return class_names_; }
  int64_t label(int64_t index) const override { return index % 7; }
  std::string name(int64_t index) const override { return "image" + std::to_string(index); }

  StoredImage fetch(int64_t index, std::vector<uint8_t>& buffer) const override {
    if (bad_.count(index) != 0) {
      throw BadImage("it is odd");
    }
    if (broken_.count(index) != 0) {
      throw std::runtime_error("the disk is on fire");
    }
    if (unreadable_.count(index) != 0) {
      throw vim::data::ReadError(name(index) + ": lost", "Input/output error after 6 tries");
    }
    Image image{kSide, kSide, std::vector<uint8_t>(kSide * kSide * 3)};
    std::iota(image.pixels.begin(), image.pixels.end(), static_cast<uint8_t>(index));
    return vim::data::store_pixels(std::move(image), buffer);
  }

 private:
  int64_t size_;
  std::set<int64_t> bad_;
  std::set<int64_t> broken_;
  std::set<int64_t> unreadable_;
  std::vector<std::string> class_names_ = {"0", "1", "2", "3", "4", "5", "6"};
};

vim::data::TrainTransform random_transform() {
  AugmentOptions options;
  options.crop = vim::data::TrainCrop::kPadded;
  return {options, kSide, kSide};
}

vim::data::EvalTransform plain_transform() { return {AugmentOptions{}, kSide, kSide}; }

LoaderOptions options_of(int64_t batch_size, int64_t workers) {
  LoaderOptions options;
  options.batch_size = batch_size;
  options.workers = workers;
  options.prefetch_batches = 2;
  options.seed = 11;
  return options;
}

}  // namespace

TEST_CASE("Batches hold the images, labels and indices of the order") {
  const MemoryDataset dataset(23);
  const auto transform = plain_transform();
  Loader loader(dataset, transform, options_of(5, 2));
  const std::vector<int64_t> order = vim::data::shuffled_order(23, 1, 0);
  loader.start(order, 0);
  const Epoch epoch = drain(loader);
  CHECK(epoch.indices == order);
  CHECK(epoch.sizes == std::vector<int64_t>{5, 5, 5, 5, 3});
  CHECK(epoch.first_positions == std::vector<int64_t>{0, 5, 10, 15, 20});
  for (size_t i = 0; i < order.size(); ++i) {
    CHECK(epoch.labels[i] == order[i] % 7);
    const Image expected = read_image(dataset, order[i]);
    const auto begin = epoch.pixels.begin() + static_cast<int64_t>(i * expected.pixels.size());
    CHECK(std::equal(expected.pixels.begin(), expected.pixels.end(), begin));
  }
}

TEST_CASE("Batches are the same for any number of workers, with bad images too") {
  const MemoryDataset dataset(101, {3, 4, 50, 100});
  const auto transform = random_transform();
  const std::vector<int64_t> order = vim::data::shuffled_order(101, 5, 2);
  std::vector<Epoch> epochs;
  for (const int64_t workers : {1, 2, 7}) {
    LoaderOptions options = options_of(8, workers);
    options.on_bad_image = OnBadImage::kSubstitute;
    Loader loader(dataset, transform, options);
    loader.start(order, 2);
    epochs.push_back(drain(loader));
    CHECK(loader.stats().substituted == 4);
  }
  CHECK(epochs[0] == epochs[1]);
  CHECK(epochs[0] == epochs[2]);
}

TEST_CASE("Reading threads leave errors and substitutes where they are") {
  const MemoryDataset dataset(60, {14, 17, 59}, {}, {31, 32});
  const auto transform = plain_transform();
  LoaderOptions options = options_of(5, 2);
  options.read_ahead.readers = 3;
  options.read_ahead.images = 4;
  Loader strict(dataset, transform, options);
  strict.start(in_order(60), 0);
  CHECK(strict.next() != nullptr);
  CHECK(strict.next() != nullptr);
  CHECK(contains(thrown_text([&] { strict.next(); }), "image14: cannot be decoded: it is odd"));
  strict.start(in_order(10), 0);
  CHECK(drain(strict).indices == in_order(10));

  options.on_bad_image = OnBadImage::kSubstitute;
  Loader loader(dataset, transform, options);
  loader.start(in_order(60), 0);
  std::vector<int64_t> expected = in_order(60);
  expected[14] = 15;
  expected[17] = 18;
  expected[31] = 33;
  expected[32] = 33;
  expected[59] = 0;
  CHECK(drain(loader).indices == expected);
  CHECK(loader.stats().substituted == 5);
}

TEST_CASE("An epoch started in its middle continues as if it had run from the start") {
  const MemoryDataset dataset(60, {7, 31});
  const auto transform = random_transform();
  const std::vector<int64_t> order = vim::data::shuffled_order(60, 5, 9);
  LoaderOptions options = options_of(6, 3);
  options.on_bad_image = OnBadImage::kSubstitute;
  Loader loader(dataset, transform, options);
  loader.start(order, 9);
  const Epoch whole = drain(loader);
  loader.start(order, 9, 24);
  const Epoch rest = drain(loader);
  CHECK(std::equal(rest.indices.begin(), rest.indices.end(), whole.indices.begin() + 24));
  CHECK(rest.first_positions.front() == 24);
  const int64_t bytes = 24 * kSide * kSide * 3;
  REQUIRE(static_cast<int64_t>(rest.pixels.size()) == 36 * kSide * kSide * 3);
  CHECK(std::equal(rest.pixels.begin(), rest.pixels.end(), whole.pixels.begin() + bytes));
}

TEST_CASE("Another epoch or seed draws other crops of the same images") {
  const MemoryDataset dataset(40);
  const auto transform = random_transform();
  Loader loader(dataset, transform, options_of(10, 2));
  loader.start(in_order(40), 0);
  const Epoch first = drain(loader);
  loader.start(in_order(40), 1);
  const Epoch second = drain(loader);
  CHECK(first.indices == second.indices);
  CHECK(first.pixels != second.pixels);
  LoaderOptions options = options_of(10, 2);
  options.seed = 12;
  Loader other(dataset, transform, options);
  other.start(in_order(40), 0);
  CHECK(drain(other).pixels != first.pixels);
}

TEST_CASE("drop_last leaves out the batch that is not full") {
  const MemoryDataset dataset(23);
  const auto transform = plain_transform();
  LoaderOptions options = options_of(5, 2);
  options.drop_last = true;
  Loader loader(dataset, transform, options);
  loader.start(in_order(23), 0);
  CHECK(drain(loader).sizes == std::vector<int64_t>{5, 5, 5, 5});
  loader.start(in_order(4), 0);
  CHECK(loader.next() == nullptr);
}

TEST_CASE("A bad image ends the run with its name, after the batches before it") {
  const MemoryDataset dataset(30, {14, 17});
  const auto transform = plain_transform();
  Loader loader(dataset, transform, options_of(5, 4));
  loader.start(in_order(30), 0);
  CHECK(loader.next() != nullptr);
  CHECK(loader.next() != nullptr);
  const std::string text = thrown_text([&] { loader.next(); });
  CHECK(contains(text, "image14: cannot be decoded: it is odd"));
  CHECK(thrown_text([&] { loader.next(); }) == text);
  loader.start(in_order(10), 0);
  CHECK(drain(loader).indices == in_order(10));
}

TEST_CASE("The first of several bad images of a batch is the one named") {
  const MemoryDataset dataset(64, {5, 6, 40, 41, 63});
  const auto transform = plain_transform();
  for (int repeat = 0; repeat < 20; ++repeat) {
    Loader loader(dataset, transform, options_of(64, 7));
    loader.start(in_order(64), 0);
    CHECK(contains(thrown_text([&] { loader.next(); }), "image5:"));
  }
}

TEST_CASE("Any failure of a worker surfaces with the file's name, substitutes allowed or not") {
  const MemoryDataset dataset(10, {}, {3});
  const auto transform = plain_transform();
  LoaderOptions options = options_of(10, 2);
  options.on_bad_image = GENERATE(OnBadImage::kError, OnBadImage::kSubstitute);
  Loader loader(dataset, transform, options);
  loader.start(in_order(10), 0);
  CHECK(contains(thrown_text([&] { loader.next(); }), "image3: the disk is on fire"));
}

TEST_CASE("A bad image is replaced by the next in the order, going round at its end") {
  const MemoryDataset dataset(10, {4, 5, 9});
  const auto transform = plain_transform();
  LoaderOptions options = options_of(5, 2);
  options.on_bad_image = OnBadImage::kSubstitute;
  Loader loader(dataset, transform, options);
  loader.start(in_order(10), 0);
  const Epoch epoch = drain(loader);
  CHECK(epoch.indices == std::vector<int64_t>{0, 1, 2, 3, 6, 6, 6, 7, 8, 0});
  CHECK(epoch.labels == std::vector<int64_t>{0, 1, 2, 3, 6, 6, 6, 0, 1, 0});
  CHECK(loader.stats().substituted == 3);
}

TEST_CASE("An image that cannot be read after all tries is named like a bad one") {
  const MemoryDataset dataset(10, {}, {}, {4, 9});
  const auto transform = plain_transform();
  LoaderOptions options = options_of(5, 2);
  options.on_bad_image = OnBadImage::kSubstitute;
  const vim::test::LogCapture log;  // before any worker has something to say
  Loader loader(dataset, transform, options);
  loader.start(in_order(10), 0);
  CHECK(drain(loader).indices == std::vector<int64_t>{0, 1, 2, 3, 5, 5, 6, 7, 8, 0});
  CHECK(loader.stats().substituted == 2);
  CHECK(contains(
      log.text(),
      "image4: cannot be read: Input/output error after 6 tries; another image takes its place"));
}

TEST_CASE("A disk that is gone ends the run even where substitutes are allowed") {
  const std::vector<int64_t> all = in_order(300);
  const MemoryDataset dataset(300, {}, {}, {all.begin(), all.end()});
  const auto transform = plain_transform();
  LoaderOptions options = options_of(2, 2);
  options.on_bad_image = OnBadImage::kSubstitute;
  Loader loader(dataset, transform, options);
  loader.start(all, 0);
  CHECK(contains(thrown_text([&] { loader.next(); }), "image0: neither this image nor"));
}

TEST_CASE("A set of bad images only ends the run even where substitutes are allowed") {
  const MemoryDataset dataset(3, {0, 1, 2});
  const auto transform = plain_transform();
  LoaderOptions options = options_of(2, 2);
  options.on_bad_image = OnBadImage::kSubstitute;
  Loader loader(dataset, transform, options);
  loader.start(in_order(3), 0);
  CHECK(contains(thrown_text([&] { loader.next(); }), "image0: neither this image nor"));
}

TEST_CASE("A loader can be restarted or destroyed at any point") {
  const MemoryDataset dataset(200);
  const auto transform = random_transform();
  for (int64_t num_batches = 0; num_batches < 12; ++num_batches) {
    Loader loader(dataset, transform, options_of(7, 3));
    CHECK(loader.next() == nullptr);
    loader.start(in_order(200), 0);
    for (int64_t i = 0; i < num_batches; ++i) {
      REQUIRE(loader.next() != nullptr);
    }
    loader.start(in_order(50), 1);
    const LoadedBatch* batch = loader.next();
    REQUIRE(batch != nullptr);
    CHECK(batch->first_position == 0);
  }
}

TEST_CASE("A batch stays valid while later ones are made") {
  const MemoryDataset dataset(100);
  const auto transform = plain_transform();
  Loader loader(dataset, transform, options_of(4, 4));
  loader.start(in_order(100), 0);
  const LoadedBatch* batch = loader.next();
  REQUIRE(batch != nullptr);
  const std::vector<uint8_t> copy(batch->images, batch->images + 4 * kSide * kSide * 3);
  // A second loader keeps the machine busy long enough for the ring of the first to fill.
  Loader other(dataset, transform, options_of(4, 4));
  other.start(in_order(100), 0);
  drain(other);
  CHECK(std::equal(copy.begin(), copy.end(), batch->images));
}

TEST_CASE("Image memory comes from the given allocator") {
  const MemoryDataset dataset(10);
  const auto transform = plain_transform();
  LoaderOptions options = options_of(4, 2);
  std::vector<std::shared_ptr<uint8_t[]>> given;
  options.allocate = [&given](size_t bytes) {
    CHECK(bytes == 4 * kSide * kSide * 3);
    given.push_back(std::make_shared<uint8_t[]>(bytes));
    return given.back();
  };
  Loader loader(dataset, transform, options);
  CHECK(given.size() == 3);  // two ahead and the one handed out
  loader.start(in_order(10), 0);
  const LoadedBatch* batch = loader.next();
  REQUIRE(batch != nullptr);
  CHECK(batch->images == given.front().get());
}

TEST_CASE("A loader refuses options and orders out of range") {
  const MemoryDataset dataset(10);
  const auto transform = plain_transform();
  CHECK_THROWS_AS(Loader(dataset, transform, options_of(0, 1)), std::invalid_argument);
  CHECK_THROWS_AS(Loader(dataset, transform, options_of(1, -1)), std::invalid_argument);
  Loader loader(dataset, transform, options_of(2, 1));
  CHECK_THROWS_AS(loader.start({0, 10}, 0), std::invalid_argument);
  CHECK_THROWS_AS(loader.start({0, 1}, 0, 3), std::invalid_argument);
}
