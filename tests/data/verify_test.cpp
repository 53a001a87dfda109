// What is found out about images one by one and together, and the file that keeps it.
#include "src/data/verify.h"

#include <cstring>
#include <fstream>

#include "src/core/error.h"
#include "src/data/pass_state.h"
#include "tests/data/jpeg_writer.h"
#include "tests/support/catch.h"
#include "tests/support/temp_folder.h"
#include "tests/support/thrown_text.h"

namespace {

using vim::data::DuplicateGroup;
using vim::data::ImageFacts;
using vim::data::ImageFormat;
using vim::data::PassState;
using vim::data::StoredImage;
using Bytes = std::vector<uint8_t>;

// Files in memory; one of no bytes whose name is "lost" cannot be fetched.
class FilesInMemory : public vim::data::Dataset {
 public:
  struct File {
    std::string name;
    int64_t label = 0;
    Bytes bytes;
  };
  explicit FilesInMemory(std::vector<File> files) : files_(std::move(files)) {}

  int64_t size() const override { return static_cast<int64_t>(files_.size()); }
  const std::vector<std::string>& class_names() const override { return class_names_; }
  int64_t label(int64_t index) const override { return at(index).label; }
  std::string name(int64_t index) const override { return at(index).name; }
  StoredImage fetch(int64_t index, Bytes& buffer) const override {
    if (at(index).name == "lost") {
      throw vim::Error("lost: no such file\nor so; check it");
    }
    buffer = at(index).bytes;
    return {buffer};
  }

 private:
  const File& at(int64_t index) const { return files_.at(static_cast<size_t>(index)); }

  std::vector<File> files_;
  std::vector<std::string> class_names_ = {"cat", "dog", "none"};
};

Bytes bytes_of(const char* text) { return {text, text + std::strlen(text)}; }

ImageFacts inspect(const Bytes& bytes) {
  Bytes buffer;
  return inspect_image(FilesInMemory({{"one", 0, bytes}}), 0, buffer);
}

// A sound JPEG of that size.
ImageFacts facts_of(int64_t height, int64_t width, uint64_t hash) {
  return {{height, width}, 100, hash, ImageFormat::kJpeg, ""};
}

ImageFacts bad_facts(uint64_t num_bytes) {
  return {{}, num_bytes, 77, ImageFormat::kUnknown, "no image"};
}

}  // namespace

TEST_CASE("A sound image gives its size, format, length and hash") {
  const Bytes jpeg = vim::test::write_some_jpeg(40, 60, 3);
  const ImageFacts facts = inspect(jpeg);
  CHECK(facts.size == vim::data::Size{40, 60});
  CHECK(facts.format == ImageFormat::kJpeg);
  CHECK(facts.num_bytes == jpeg.size());
  CHECK(facts.problem.empty());
}

TEST_CASE("The hash is XXH3-64 of the stored bytes") {
  // xxhsum -H3 prints this for a file that holds "abc".
  CHECK(inspect(bytes_of("abc")).hash == 0x78af5f94892f3950);
}

TEST_CASE("What cannot be read has its problem in one line, without its name") {
  CHECK(inspect({}).problem == "the file is empty");
  Bytes cut = vim::test::write_some_jpeg(40, 60, 3);
  cut.resize(cut.size() / 2);
  CHECK(inspect(cut).problem == "it is cut off: no end marker behind its data");
  CHECK(inspect(cut).format == ImageFormat::kJpeg);
  CHECK(inspect(cut).size == vim::data::Size{});
  Bytes buffer;
  const ImageFacts lost = inspect_image(FilesInMemory({{"lost", 0, {}}}), 0, buffer);
  CHECK(lost.problem == "no such file or so; check it");
}

TEST_CASE("Formats are told by the first bytes") {
  const auto format_of = [](const char* text, size_t length) {
    return vim::data::image_format(Bytes{text, text + length});
  };
  CHECK(format_of("\xFF\xD8\xFF\xE0", 4) == ImageFormat::kJpeg);
  CHECK(format_of("\x89PNG\r\n\x1A\n", 8) == ImageFormat::kPng);
  CHECK(format_of("BM123456", 8) == ImageFormat::kBmp);
  CHECK(format_of("GIF89a", 6) == ImageFormat::kGif);
  CHECK(format_of("RIFF1234WEBPVP8 ", 16) == ImageFormat::kWebp);
  CHECK(format_of("II*\0", 4) == ImageFormat::kTiff);
  CHECK(format_of("MM\0*", 4) == ImageFormat::kTiff);
  CHECK(format_of("P6\n3 4", 6) == ImageFormat::kNetpbm);
  CHECK(format_of("RIFF1234WAVE", 12) == ImageFormat::kUnknown);
  CHECK(format_of("\xFF\xD8", 2) == ImageFormat::kUnknown);
  CHECK(format_of("P7\n3 4", 6) == ImageFormat::kUnknown);
  CHECK(format_of("", 0) == ImageFormat::kUnknown);
}

TEST_CASE("Facts read back as they were written") {
  const std::vector<ImageFacts> facts = {
      {{480, 640}, 12345, 0xFEDCBA9876543210, ImageFormat::kPng, ""},
      {{0, 0}, 0, 0, ImageFormat::kUnknown, "the file is  empty "}};
  CHECK(vim::data::read_facts(vim::data::write_facts(facts)) == facts);
  CHECK(vim::data::read_facts("").empty());
  const std::string line = GENERATE("1 2 3", "1 2 3 4 99 ", "1 2 3 4 -1 ", "one 2 3 4 2 ");
  CHECK_THROWS_AS(vim::data::read_facts(line + "\n"), vim::Error);
}

TEST_CASE("The report counts classes, formats and shorter sides, and lists the bad") {
  const FilesInMemory set({{"0", 1, {}}, {"1", 0, {}}, {"2", 1, {}}, {"3", 1, {}}});
  const auto report = make_verify_report(
      set, {facts_of(31, 500, 1), facts_of(500, 32, 2), bad_facts(9), facts_of(4000, 3000, 3)});
  CHECK(report.bad == std::vector<int64_t>{2});
  CHECK(report.images_of_class == std::vector<int64_t>{1, 3, 0});
  CHECK(report.formats.at(ImageFormat::kJpeg) == 3);
  CHECK(report.formats.at(ImageFormat::kUnknown) == 1);
  int64_t counted = 0;
  for (const auto& side : report.shorter_sides) {
    const bool holds_one = side.at_least == 1 || side.at_least == 32 || side.at_least == 2048;
    CHECK(side.images == (holds_one ? 1 : 0));
    counted += side.images;
  }
  CHECK(counted == 3);
}

TEST_CASE("The report names the extremes, the first of several alike") {
  const FilesInMemory set({{"0", 0, {}}, {"1", 0, {}}, {"2", 0, {}}, {"3", 0, {}}, {"4", 0, {}}});
  const auto report = make_verify_report(
      set,
      {bad_facts(9),
       facts_of(50, 60, 1),
       facts_of(60, 50, 2),
       facts_of(100, 90, 3),
       facts_of(70, 95, 4)});
  CHECK(report.smallest == 1);
  CHECK(report.largest == 3);
  CHECK(report.elongated == 4);
  const auto none = make_verify_report(FilesInMemory({{"0", 0, {}}}), {bad_facts(9)});
  CHECK(none.smallest == -1);
  CHECK(none.largest == -1);
  CHECK(none.elongated == -1);
}

TEST_CASE("Images of equal bytes are grouped, and other labels pointed out") {
  const FilesInMemory set(
      {{"0", 0, {}}, {"1", 0, {}}, {"2", 1, {}}, {"3", 0, {}}, {"4", 1, {}}, {"5", 1, {}}});
  ImageFacts longer = facts_of(8, 8, 5);
  longer.num_bytes = 101;
  const auto report = make_verify_report(
      set,
      {facts_of(8, 8, 9),
       facts_of(8, 8, 5),
       facts_of(8, 8, 9),
       facts_of(8, 8, 5),
       longer,
       facts_of(8, 8, 4)});
  REQUIRE(report.duplicates.size() == 2);
  CHECK(report.duplicates[0].images == std::vector<int64_t>{0, 2});
  CHECK(report.duplicates[0].hash == 9);
  CHECK(report.duplicates[0].has_several_labels);
  CHECK(report.duplicates[1].images == std::vector<int64_t>{1, 3});
  CHECK_FALSE(report.duplicates[1].has_several_labels);
}

TEST_CASE("Empty files are no duplicates of one another, damaged ones are") {
  const FilesInMemory set({{"0", 0, {}}, {"1", 0, {}}, {"2", 0, {}}, {"3", 0, {}}});
  const auto report =
      make_verify_report(set, {bad_facts(0), bad_facts(0), bad_facts(5), bad_facts(5)});
  REQUIRE(report.duplicates.size() == 1);
  CHECK(report.duplicates[0].images == std::vector<int64_t>{2, 3});
}

TEST_CASE("A pass goes on from its own state alone") {
  const vim::test::TempFolder folder;
  const auto path = folder / "pass.state";
  CHECK_FALSE(vim::data::load_pass_state(path, "verify", "set").has_value());
  vim::data::save_pass_state(path, {"verify", "set", 3, "a\n\nb"});
  const auto state = vim::data::load_pass_state(path, "verify", "set");
  REQUIRE(state.has_value());
  CHECK(state->num_done == 3);
  CHECK(state->found == "a\n\nb");
  const auto text_for = [&path](const char* purpose, const char* set) {
    return vim::test::thrown_text([&] { vim::data::load_pass_state(path, purpose, set); });
  };
  const std::string foreign = path.string() + ": was left by verify over other images";
  CHECK(vim::test::contains(text_for("stats", "set"), foreign));
  CHECK(vim::test::contains(text_for("verify", "other"), foreign));
}

TEST_CASE("A damaged state is named") {
  const vim::test::TempFolder folder;
  const auto path = folder / "pass.state";
  vim::data::save_pass_state(path, {"verify", "set", 3, "found"});
  const auto size = static_cast<int64_t>(std::filesystem::file_size(path));
  const int64_t at = GENERATE(0, 5, 17, 30, -1);
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(at < 0 ? size + at : at);
  file.put('#');
  file.close();
  CHECK(
      vim::test::thrown_text([&] { vim::data::load_pass_state(path, "verify", "set"); }) ==
      path.string() + ": is not a sound state of vim_data; remove it, or give another --state");
}

TEST_CASE("The fingerprint differs for other names, labels and order") {
  const std::string one = fingerprint(FilesInMemory({{"a", 0, {}}, {"b", 1, {}}}));
  CHECK(one == fingerprint(FilesInMemory({{"a", 0, {1}}, {"b", 1, {2}}})));
  CHECK(one != fingerprint(FilesInMemory({{"a", 0, {}}, {"c", 1, {}}})));
  CHECK(one != fingerprint(FilesInMemory({{"a", 0, {}}, {"b", 0, {}}})));
  CHECK(one != fingerprint(FilesInMemory({{"b", 1, {}}, {"a", 0, {}}})));
  CHECK(one != fingerprint(FilesInMemory({{"a", 0, {}}})));
}
