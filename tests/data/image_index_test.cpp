// Indexes written and read, whole, damaged and stale.
#include "src/data/source/image_index.h"

#include <fstream>
#include <stdexcept>

#include "src/data/source/dataset.h"
#include "tests/support/catch.h"
#include "tests/support/tar_writer.h"
#include "tests/support/temp_folder.h"
#include "tests/support/thrown_text.h"

namespace vim::data {
namespace {

namespace fs = std::filesystem;
using test::contains;
using test::make_tar;
using test::TempFolder;
using test::thrown_text;

IndexTable some_table() {
  IndexTable table;
  table.root = "set/train";
  table.classes = {"cat", "dog"};
  table.sources = {{SourceRole::kTar, "a.tar", 5000, 17}, {SourceRole::kTar, "b.tar", 600, -1}};
  return table;
}

const std::vector<IndexEntry> kEntries = {
    {0, 512, 100, 0, "1.jpg"},
    {1, kMaxIndexOffset, 0xFFFFFFFF, 0, ""},
    {0, 1024, 7, 1, "deep/er/2.jpg"}};

std::string some_index() {
  ImageIndexWriter writer;
  for (const IndexEntry& entry : kEntries) {
    writer.add(entry);
  }
  return writer.finish(some_table());
}

void check_entry(const IndexEntry& entry, const IndexEntry& expected) {
  CHECK(entry.source == expected.source);
  CHECK(entry.offset == expected.offset);
  CHECK(entry.length == expected.length);
  CHECK(entry.label == expected.label);
  CHECK(entry.name == expected.name);
}

void write_text(const fs::path& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

// Reads everything that an index holds.
void read_all(const std::string& bytes) {
  const auto index = ImageIndex::from_bytes(bytes, "x.vimindex");
  for (int64_t i = 0; i < index.size(); ++i) {
    index.entry(i);
  }
}

TEST_CASE("an index gives back its table and entries, in memory and mapped") {
  const TempFolder folder;
  write_text(folder / "x.vimindex", some_index());
  const auto mapped = ImageIndex::map(folder / "x.vimindex");
  const auto in_memory = ImageIndex::from_bytes(some_index(), "x");
  for (const ImageIndex* index : {&mapped, &in_memory}) {
    CHECK(index->table().root == "set/train");
    CHECK(index->table().classes == some_table().classes);
    CHECK(index->table().sources == some_table().sources);
    REQUIRE(index->size() == 3);
    for (int64_t i = 0; i < 3; ++i) {
      check_entry(index->entry(i), kEntries[static_cast<size_t>(i)]);
    }
    CHECK_THROWS_AS(index->entry(3), std::out_of_range);
    CHECK_THROWS_AS(index->entry(-1), std::out_of_range);
  }
}

TEST_CASE("an entry takes 24 bytes and its name") {
  ImageIndexWriter writer;
  writer.add({0, 0, 0, 0, "12345678"});
  const size_t one = writer.finish(some_table()).size();
  writer.add({0, 0, 0, 0, "12345678"});
  CHECK(writer.finish(some_table()).size() == one + 24 + 8);
}

TEST_CASE("every damaged byte of an index is noticed") {
  const std::string bytes = some_index();
  for (size_t i = 0; i < bytes.size(); ++i) {
    CAPTURE(i);
    std::string changed = bytes;
    changed[i] = static_cast<char>(changed[i] ^ (1 << (i % 8)));
    const std::string text = thrown_text([&] { read_all(changed); });
    CHECK(text.starts_with("x.vimindex: "));
    CHECK(contains(text, "make it again by vim_data index --force"));
  }
}

TEST_CASE("an index cut anywhere, or with something behind it, is refused") {
  const std::string bytes = some_index();
  for (size_t size = 0; size < bytes.size(); ++size) {
    CAPTURE(size);
    CHECK(thrown_text([&] { read_all(bytes.substr(0, size)); }).starts_with("x.vimindex: "));
  }
  CHECK(contains(thrown_text([&] { read_all(bytes + "x"); }), "is cut short"));
}

TEST_CASE("an entry beyond the format is refused when written") {
  ImageIndexWriter writer;
  CHECK(contains(
      thrown_text([&] {
        writer.add({0, kMaxIndexOffset + 1, 1, 0, "far.jpg"});
      }),
      "far.jpg: is beyond what an index can hold"));
  CHECK(contains(
      thrown_text([&] {
        writer.add({0x10000, 0, 1, 0, "many.jpg"});
      }),
      "many.jpg: is beyond"));
}

// A tar file with an index beside it.
class PackedSet {
 public:
  PackedSet() { write({{"a/1.jpg", "one"}, {"b/2.jpg", "two"}}); }

  void write(const std::vector<std::pair<std::string, std::string>>& files) const {
    write_text(tar(), make_tar(files));
  }
  fs::path tar() const { return temp_ / "set.tar"; }
  fs::path index() const { return temp_ / "set.tar.vimindex"; }
  std::unique_ptr<Dataset> open() const {
    return open_dataset({DataFormat::kAuto, tar().string()});
  }

 private:
  TempFolder temp_;
};

std::string stored_text(const Dataset& dataset, int64_t index) {
  std::vector<uint8_t> buffer;
  const auto bytes = dataset.fetch(index, buffer).bytes;
  return {bytes.begin(), bytes.end()};
}

TEST_CASE("a tar file's index is made once and then used") {
  const PackedSet set;
  CHECK(set.open()->size() == 2);
  REQUIRE(fs::exists(set.index()));
  const auto written = fs::last_write_time(set.index());
  const auto dataset = set.open();
  CHECK(fs::last_write_time(set.index()) == written);
  CHECK(dataset->class_names() == std::vector<std::string>{"a", "b"});
  CHECK(stored_text(*dataset, 1) == "two");
}

TEST_CASE("an index is made again when the tar file has another size or time") {
  const PackedSet set;
  set.open();
  const auto time = fs::last_write_time(set.tar());
  set.write({{"a/1.jpg", "one"}, {"b/2.jpg", "two"}, {"c/3.jpg", "three"}});
  fs::last_write_time(set.tar(), time);  // the size alone tells
  CHECK(set.open()->size() == 3);
  set.write({{"a/1.jpg", "one"}, {"b/2.jpg", "two"}, {"d/4.jpg", "four!"}});
  fs::last_write_time(set.tar(), time + std::chrono::seconds(1));  // the time alone tells
  CHECK(set.open()->class_names() == std::vector<std::string>{"a", "b", "d"});
}

TEST_CASE("a damaged index is made again") {
  const PackedSet set;
  set.open();
  fs::resize_file(set.index(), fs::file_size(set.index()) - 1);
  CHECK(set.open()->size() == 2);
  CHECK(ImageIndex::map(set.index()).size() == 2);
}

TEST_CASE("a damaged entry of a used index is an error that names the file") {
  const PackedSet set;
  set.open();
  std::fstream file(set.index(), std::ios::binary | std::ios::in | std::ios::out);
  file.seekp(-1, std::ios::end);  // the last name
  file.put('X');
  file.close();
  const auto dataset = set.open();
  CHECK(dataset->label(0) == 0);
  CHECK(contains(
      thrown_text([&] { dataset->label(1); }),
      "set.tar.vimindex: has a damaged entry 1; make it again by vim_data index --force"));
}

TEST_CASE("an index that cannot be written is kept in memory") {
  const PackedSet set;
  DatasetLocation location{DataFormat::kAuto, set.tar().string()};
  location.index = (set.tar() / "no folder").string();
  const auto dataset = open_dataset(location);
  CHECK(stored_text(*dataset, 0) == "one");
  CHECK_FALSE(fs::exists(set.index()));
}

TEST_CASE("an index lies where the user says, and never replaces another file") {
  const PackedSet set;
  const TempFolder other;
  DatasetLocation location{DataFormat::kAuto, set.tar().string()};
  location.index = (other / "new/set.index").string();
  CHECK(open_dataset(location)->size() == 2);
  CHECK(ImageIndex::map(location.index).size() == 2);
  CHECK_FALSE(fs::exists(set.index()));
  location.index = (other / "diary.txt").string();
  write_text(location.index, "dear diary");
  CHECK(contains(
      thrown_text([&] { open_dataset(location); }), "diary.txt: is there and no index; name"));
  CHECK(fs::file_size(location.index) == 10);
}

TEST_CASE("a tar file with its index can be moved") {
  const PackedSet set;
  set.open();
  const TempFolder other;
  fs::rename(set.tar(), other / "set.tar");
  fs::rename(set.index(), other / "set.tar.vimindex");
  const auto written = fs::last_write_time(other / "set.tar.vimindex");
  CHECK(open_dataset({DataFormat::kAuto, (other / "set.tar").string()})->size() == 2);
  CHECK(fs::last_write_time(other / "set.tar.vimindex") == written);
}

}  // namespace
}  // namespace vim::data
