// The cache over a data set in memory that counts how often it is asked.
#include "src/data/cached_dataset.h"

#include <atomic>
#include <stdexcept>
#include <thread>

#include "src/data/image/decode.h"
#include "src/data/source/read_error.h"
#include "tests/data/jpeg_writer.h"
#include "tests/support/catch.h"
#include "tests/support/log_capture.h"
#include "tests/support/thrown_text.h"

namespace {

using vim::data::BadImage;
using vim::data::CachedDataset;
using vim::data::CacheMode;
using vim::data::DecodeMode;
using vim::data::DecodeOptions;
using vim::data::Image;
using vim::data::Size;
using vim::data::StoredImage;

using Bytes = std::vector<uint8_t>;

// Files in memory, copied into the buffer as if read from a disk.
class FakeDisk : public vim::data::Dataset {
 public:
  explicit FakeDisk(std::vector<Bytes> files) : files_(std::move(files)) {}

  int64_t size() const override { return static_cast<int64_t>(files_.size()); }
  const std::vector<std::string>& class_names() const override { return class_names_; }
  int64_t label(int64_t index) const override { return index % 2; }
  std::string name(int64_t index) const override { return "file" + std::to_string(index); }
  StoredImage fetch(int64_t index, Bytes& buffer) const override {
    ++num_fetches;
    if (is_gone) {
      throw vim::data::ReadError(name(index) + ": lost", "lost");
    }
    buffer = files_.at(static_cast<size_t>(index));
    return {buffer};
  }

  mutable std::atomic<int> num_fetches = 0;
  std::atomic<bool> is_gone = false;

 private:
  std::vector<Bytes> files_;
  std::vector<std::string> class_names_ = {"a", "b"};
};

struct Cached {
  FakeDisk* disk;  // owned by `set`
  CachedDataset set;
};

Cached cached(std::vector<Bytes> files, CacheMode mode, int64_t max_bytes, DecodeOptions o = {}) {
  auto disk = std::make_unique<FakeDisk>(std::move(files));
  FakeDisk* const watched = disk.get();
  return {watched, CachedDataset(std::move(disk), mode, max_bytes, o)};
}

Bytes bytes_of(const StoredImage& image) { return {image.bytes.begin(), image.bytes.end()}; }

// Of the whole picture without a cache.
Image decoded(const Bytes& file, const DecodeOptions& options) {
  vim::data::ImageDecoder decoder(options);
  const Size size = decoder.open(file);
  const auto view = decoder.decode({{0, 0, size.height, size.width}}).pixels;
  REQUIRE(view.row_stride == view.width * 3);
  return {view.height, view.width, {view.pixels, view.pixels + view.height * view.row_stride}};
}

}  // namespace

TEST_CASE("What was fetched once comes from memory, without a copy") {
  const std::vector<Bytes> files = {{1, 2, 3}, {4, 5}, {}};
  const Cached it = cached(files, CacheMode::kEncoded, 1000);
  Bytes buffer;
  for (int64_t i = 0; i < 3; ++i) {
    CHECK(bytes_of(it.set.fetch(i, buffer)) == files[static_cast<size_t>(i)]);
  }
  it.disk->is_gone = true;
  const StoredImage first = it.set.fetch(0, buffer);
  const StoredImage second = it.set.fetch(1, buffer);
  CHECK(bytes_of(first) == files[0]);
  CHECK(bytes_of(second) == files[1]);
  CHECK(it.set.fetch(0, buffer).bytes.data() == first.bytes.data());
  CHECK(it.set.fetch(2, buffer).bytes.empty());
  CHECK(it.disk->num_fetches == 3);
  CHECK(it.set.num_bytes() == 5);
}

TEST_CASE("The cache tells of the images what their data set does") {
  const Cached it = cached({{1}, {2}, {3}}, CacheMode::kEncoded, 10);
  CHECK(it.set.size() == 3);
  CHECK(it.set.label(1) == 1);
  CHECK(it.set.name(2) == "file2");
  CHECK(it.set.class_names() == std::vector<std::string>{"a", "b"});
}

TEST_CASE("What does not fit is fetched anew, and smaller images still find room") {
  const std::vector<Bytes> files = {Bytes(6, 1), Bytes(5, 2), Bytes(4, 3)};
  const Cached it = cached(files, CacheMode::kEncoded, 10);
  const vim::test::LogCapture log;
  Bytes buffer;
  for (int epoch = 0; epoch < 3; ++epoch) {
    for (int64_t i = 0; i < 3; ++i) {
      CHECK(bytes_of(it.set.fetch(i, buffer)) == files[static_cast<size_t>(i)]);
    }
  }
  CHECK(it.disk->num_fetches == 5);  // image 1 in each epoch
  CHECK(it.set.num_bytes() == 10);
  CHECK(
      log.text() ==
      "data.cache: 0 MiB are full; images that do not fit are read anew in each epoch\n");
}

TEST_CASE("A decoded image is kept as the pixels of the whole picture, upright on request") {
  vim::test::JpegRecipe turned{.height = 6, .width = 10, .orientation = 6};
  const Bytes plain = vim::test::write_some_jpeg(21, 34, 5);
  const Bytes upright = vim::test::write_jpeg(turned, Bytes(6 * 10 * 3, 77));
  for (const bool is_rotated : {false, true}) {
    const DecodeOptions options{DecodeMode::kExact, is_rotated};
    const Cached it = cached({plain, upright}, CacheMode::kDecoded, 100'000, options);
    Bytes buffer;
    for (const int64_t index : {0, 1, 0, 1}) {
      const Image expected = decoded(index == 0 ? plain : upright, options);
      const StoredImage image = it.set.fetch(index, buffer);
      CHECK(image.pixels == Size{expected.height, expected.width});
      CHECK(bytes_of(image) == expected.pixels);
    }
    CHECK(it.set.fetch(1, buffer).pixels == (is_rotated ? Size{10, 6} : Size{6, 10}));
    CHECK(it.disk->num_fetches == 2);
    CHECK(it.set.num_bytes() == 21 * 34 * 3 + 6 * 10 * 3);
  }
}

TEST_CASE("A picture whose pixels do not fit stays encoded") {
  const Bytes file = vim::test::write_some_jpeg(20, 30, 5);
  Bytes buffer;
  const Cached it = cached({file}, CacheMode::kDecoded, 20 * 30 * 3 - 1);
  CHECK(bytes_of(it.set.fetch(0, buffer)) == file);
  CHECK(it.set.num_bytes() == 0);
}

TEST_CASE("A bad image takes no room and is bad each time") {
  Bytes cut = vim::test::write_some_jpeg(20, 30, 5);
  cut.resize(cut.size() / 2);
  const Cached it = cached({cut, {1, 2, 3}, {}}, CacheMode::kDecoded, 100'000);
  Bytes buffer;
  for (const int64_t index : {0, 1, 2, 0, 1, 2}) {
    CHECK_THROWS_AS(it.set.fetch(index, buffer), BadImage);
  }
  CHECK(it.set.num_bytes() == 0);
  CHECK(it.disk->num_fetches == 6);
}

TEST_CASE("A read that failed is made anew") {
  const Cached it = cached({{1, 2}}, CacheMode::kEncoded, 100);
  Bytes buffer;
  it.disk->is_gone = true;
  CHECK(vim::test::thrown_text([&] { it.set.fetch(0, buffer); }) == "file0: lost");
  it.disk->is_gone = false;
  CHECK(bytes_of(it.set.fetch(0, buffer)) == Bytes{1, 2});
}

TEST_CASE("Threads that fetch the same images agree, and count each once") {
  std::vector<Bytes> files;
  int64_t total = 0;
  for (uint8_t i = 0; i < 50; ++i) {
    files.emplace_back(10 + i, i);
    total += 10 + i;
  }
  const Cached it = cached(files, CacheMode::kEncoded, 1'000'000);
  std::atomic<int> num_wrong = 0;
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&] {
        Bytes buffer;
        for (int64_t i = 0; i < 200; ++i) {
          const int64_t index = i % 50;
          num_wrong += bytes_of(it.set.fetch(index, buffer)) != files[static_cast<size_t>(index)];
        }
      });
    }
  }
  CHECK(num_wrong == 0);
  CHECK(it.set.num_bytes() == total);
}

TEST_CASE("Without data.cache the data set stays what it is") {
  auto disk = std::make_unique<FakeDisk>(std::vector<Bytes>{{1}});
  const vim::data::Dataset* const same = disk.get();
  CHECK(with_cache(std::move(disk), {}).get() == same);
  CHECK_THROWS_AS(cached({{1}}, CacheMode::kNone, 10), std::invalid_argument);
  CHECK_THROWS_AS(cached({{1}}, CacheMode::kEncoded, -1), std::invalid_argument);
}

TEST_CASE("Pictures decoded for one crop are not kept for another") {
  const DecodeOptions fast{DecodeMode::kFast, false};
  CHECK_THROWS_AS(cached({{1}}, CacheMode::kDecoded, 10, fast), std::invalid_argument);
  CHECK_NOTHROW(cached({{1}}, CacheMode::kEncoded, 10, fast));
}
