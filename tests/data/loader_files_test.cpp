// The loader over image files: who reads them, and what stays in memory, leaves no trace.
#include <fmt/format.h>

#include <filesystem>
#include <fstream>

#include "src/data/cached_dataset.h"
#include "src/data/loader.h"
#include "src/data/sampler.h"
#include "tests/data/jpeg_writer.h"
#include "tests/data/loaded_epoch.h"
#include "tests/support/catch.h"
#include "tests/support/temp_folder.h"
#include "tests/support/thrown_text.h"

namespace {

namespace fs = std::filesystem;
using vim::data::AugmentOptions;
using vim::data::CacheMode;
using vim::data::DataOptions;
using vim::data::DecodeMode;
using vim::data::Loader;
using vim::data::LoaderOptions;
using vim::data::OnBadImage;
using vim::test::drain;
using vim::test::in_order;
using vim::test::thrown_text;
using Epoch = vim::test::LoadedEpoch;

constexpr int64_t kSide = vim::test::kLoadedSide;

vim::data::EvalTransform evaluation_transform() { return {AugmentOptions{}, kSide, kSide}; }

vim::data::TrainTransform random_crop_transform() { return {AugmentOptions{}, kSide, kSide}; }

void write_image(const fs::path& path, const std::vector<uint8_t>& bytes) {
  fs::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(bytes.data()), static_cast<int64_t>(bytes.size()));
}

// JPEG files of two classes and many sizes, of which number 7 is cut off and number 30 empty.
void write_class_folder(const fs::path& folder, int num_images) {
  for (int i = 0; i < num_images; ++i) {
    std::vector<uint8_t> jpeg = vim::test::write_some_jpeg(20 + 3 * i, 90 - i, i);
    jpeg.resize(i == 30 ? 0 : jpeg.size() / (i == 7 ? 2 : 1));
    write_image(folder / fmt::format("{}/{:02}.jpg", i < num_images / 2 ? "a" : "b", i), jpeg);
  }
}

}  // namespace

TEST_CASE("Batches are the same whoever reads, and whatever is kept in memory") {
  const vim::test::TempFolder folder;
  write_class_folder(folder.path(), 40);
  const auto transform = random_crop_transform();
  const std::vector<int64_t> order = vim::data::shuffled_order(40, 5, 2);
  const auto epoch_with = [&](int64_t workers, int64_t readers, CacheMode cache, int64_t first) {
    DataOptions data;
    data.path = folder.path().string();
    data.cache = cache;
    data.workers = workers;
    data.readers = readers;
    data.read_ahead = 5;
    data.on_bad_image = OnBadImage::kSubstitute;
    const auto dataset = with_cache(open_dataset(train_location(data)), data);
    LoaderOptions options = loader_options(data);
    options.batch_size = 6;
    options.seed = 11;
    Loader loader(*dataset, transform, options);
    loader.start(order, 2);
    const Epoch whole = drain(loader);
    CHECK(loader.stats().substituted == 2);
    loader.start(order, 2);  // from the cache
    CHECK(drain(loader) == whole);
    loader.start(order, 2, first);
    return drain(loader);
  };
  for (const int64_t first : {0, 18}) {
    const Epoch plain = epoch_with(1, 0, CacheMode::kNone, first);
    CHECK(plain.indices.size() == static_cast<size_t>(40 - first));
    for (const int64_t workers : {1, 2, 7}) {
      for (const int64_t readers : {0, 3}) {
        for (const auto cache : {CacheMode::kNone, CacheMode::kEncoded, CacheMode::kDecoded}) {
          CAPTURE(first, workers, readers, static_cast<int>(cache));
          CHECK(epoch_with(workers, readers, cache, first) == plain);
        }
      }
    }
  }
}

TEST_CASE("Keeping files in memory leaves the pixels of scaled decoding as they are") {
  const vim::test::TempFolder folder;
  write_class_folder(folder.path(), 7);
  const auto transform = random_crop_transform();
  const auto epoch_with = [&](DecodeMode decode, CacheMode cache) {
    DataOptions data;
    data.path = folder.path().string();
    data.cache = cache;
    data.decode.mode = decode;
    const auto dataset = with_cache(open_dataset(train_location(data)), data);
    LoaderOptions options = loader_options(data);
    options.batch_size = 7;
    Loader loader(*dataset, transform, options);
    loader.start(in_order(7), 0);  // fills the cache
    drain(loader);
    loader.start(in_order(7), 1);
    return drain(loader);
  };
  const Epoch plain = epoch_with(DecodeMode::kFast, CacheMode::kNone);
  CHECK(plain.pixels != epoch_with(DecodeMode::kExact, CacheMode::kNone).pixels);
  CHECK(epoch_with(DecodeMode::kFast, CacheMode::kEncoded) == plain);
}

TEST_CASE("A file that has vanished ends the run with the system's reason, or is replaced") {
  const vim::test::TempFolder folder;
  for (int i = 0; i < 4; ++i) {
    write_image(folder / fmt::format("a/{}.jpg", i), vim::test::write_some_jpeg(kSide, kSide, i));
  }
  const auto dataset =
      vim::data::open_dataset({vim::data::DataFormat::kFolder, folder.path().string()});
  fs::remove(folder / "a/2.jpg");
  const auto transform = evaluation_transform();
  LoaderOptions options;
  options.batch_size = 4;
  options.workers = 2;
  Loader strict(*dataset, transform, options);
  strict.start(in_order(4), 0);
  CHECK(
      thrown_text([&] { strict.next(); }) ==
      (folder / "a/2.jpg").string() +
          ": cannot be read: No such file or directory; check the file and its permissions");
  options.on_bad_image = OnBadImage::kSubstitute;
  Loader loader(*dataset, transform, options);
  loader.start(in_order(4), 0);
  CHECK(drain(loader).indices == std::vector<int64_t>{0, 1, 3, 3});
  CHECK(loader.stats().substituted == 1);
}
