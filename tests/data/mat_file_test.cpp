// Tables that scipy 1.x wrote, compressed and not (numpy and scipy.io in Python):
//   rows = [(1.0, 'n11', 'kit fox, Vulpes macrotis', []), (2.0, 'n05', 'b', []),
//           (300.0, 'n01', 'c', [1.5, 2.0])]
//   kinds = [(name, 'O') for name in ('ILSVRC2012_ID', 'WNID', 'words', 'children')]
//   table = array([(*row[:3], array(row[3])) for row in rows], dtype=kinds).reshape(3, 1)
//   savemat('devkit_plain.mat', {'other': [1, 2], 'synsets': table})
//   savemat('devkit_compressed.mat', the same, do_compression=True)
#include "src/data/source/mat_file.h"

#include "src/data/source/read_file.h"
#include "tests/support/catch.h"
#include "tests/support/thrown_text.h"

namespace {

using vim::data::MatFields;
using vim::data::read_mat_table;
using vim::test::contains;
using vim::test::thrown_text;

const MatFields kFields = {"synsets", "ILSVRC2012_ID", "WNID"};
const std::map<int64_t, std::string> kTable = {{1, "n11"}, {2, "n05"}, {300, "n01"}};

}  // namespace

TEST_CASE("a table of a MAT file is read, compressed or not") {
  for (const char* name : {"tests/data/devkit_plain.mat", "tests/data/devkit_compressed.mat"}) {
    CHECK(read_mat_table(vim::data::read_file(name), kFields, "meta.mat") == kTable);
  }
}

TEST_CASE("a MAT file without the array or a field is refused") {
  const auto bytes = vim::data::read_file("tests/data/devkit_plain.mat");
  const auto refusal = [&bytes](const MatFields& fields) {
    return thrown_text([&] { read_mat_table(bytes, fields, "meta.mat"); });
  };
  CHECK(contains(refusal({"other", "ILSVRC2012_ID", "WNID"}), "meta.mat: holds no array other"));
  CHECK(contains(refusal({"nothing", "ILSVRC2012_ID", "WNID"}), "holds no array nothing"));
  CHECK(contains(refusal({"synsets", "id", "WNID"}), "a record lacks its number"));
  CHECK(contains(refusal({"synsets", "ILSVRC2012_ID", "name"}), "a record lacks its number"));
  CHECK(contains(
      thrown_text([] { read_mat_table(std::vector<uint8_t>(200, 0), kFields, "x.mat"); }),
      "x.mat: is no MAT file of level 5"));
}

TEST_CASE("a struct of a million fields is refused before their names fill the memory") {
  auto bytes = vim::data::read_file("tests/data/devkit_plain.mat");
  bytes.resize(128);  // the header, then: a matrix of class 2, 1 x 1, "synsets", names of one byte
  constexpr uint32_t kNames = 1 << 20;
  const std::vector<uint32_t> words = {14, 64 + kNames, 6, 8, 2, 0, 5, 8, 1, 1, 1, 7};
  const std::vector<uint32_t> more = {5 | 4U << 16U, 1, 1, kNames};
  const auto add = [&bytes](const void* data, size_t size) {
    const auto* const first = static_cast<const uint8_t*>(data);
    bytes.insert(bytes.end(), first, first + size);
  };
  add(words.data(), words.size() * 4);
  add("synsets", 8);
  add(more.data(), more.size() * 4);
  bytes.resize(bytes.size() + kNames, 'x');
  CHECK(contains(
      thrown_text([&] { read_mat_table(bytes, kFields, "meta.mat"); }),
      "meta.mat: the names of fields are damaged"));
}

TEST_CASE("a MAT file cut anywhere is refused, one changed anywhere read or refused") {
  for (const char* name : {"tests/data/devkit_plain.mat", "tests/data/devkit_compressed.mat"}) {
    const auto bytes = vim::data::read_file(name);
    for (size_t i = 0; i < bytes.size(); ++i) {
      auto changed = bytes;
      changed[i] ^= 0xFF;
      const std::string text = thrown_text([&] { read_mat_table(changed, kFields, "meta.mat"); });
      CHECK((text == "nothing was thrown" || text.starts_with("meta.mat: ")));
      changed = {bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(i)};
      CHECK(thrown_text([&] { read_mat_table(changed, kFields, "meta.mat"); }).starts_with("meta"));
    }
  }
}
