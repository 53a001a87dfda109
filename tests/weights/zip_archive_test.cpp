// Zip archives: what torch.save may write is read, everything else is refused with the reason.
#include "src/weights/zip_archive.h"

#include <string>

#include "src/weights/byte_cursor.h"
#include "src/weights/crc32.h"
#include "tests/support/catch.h"
#include "tests/support/thrown_text.h"
#include "tests/weights/safetensors_bytes.h"
#include "tests/weights/torch_bytes.h"

using namespace vim::weights;
using vim::test::as_bytes;
using vim::test::contains;
using vim::test::zip_bytes;

namespace {

const std::string kData = "some bytes of a storage";

std::string parse_error(const std::string& bytes) {
  return vim::test::thrown_text([&] { ZipArchive::parse(as_bytes(bytes), "file"); });
}

// Replaces the first occurrence, of any length.
std::string replaced(std::string bytes, const std::string& from, const std::string& to) {
  const size_t position = bytes.find(from);
  REQUIRE(position != std::string::npos);
  return bytes.replace(position, from.size(), to);
}

std::string read(const ZipArchive& archive, const std::string& name) {
  const ZipEntry* entry = archive.find(name);
  REQUIRE(entry != nullptr);
  return std::string(as_text(archive.data(*entry)));
}

}  // namespace

TEST_CASE("CRC-32 has its published check value, in one piece and in two") {
  const std::string digits = "123456789";
  CHECK(crc32(as_bytes(digits)) == 0xCBF43926);
  CHECK(crc32(as_bytes("56789"), crc32(as_bytes("1234"))) == 0xCBF43926);
  CHECK(crc32({}) == 0);
  std::string text;
  for (int length = 0; length < 40; ++length) {
    CHECK(crc32(as_bytes(text)) == vim::test::plain_crc32(text));
    text += static_cast<char>(length * 37);
  }
}

TEST_CASE("stored entries are read, with 64-bit fields, descriptors and a comment too") {
  const bool is_64 = GENERATE(false, true);
  const bool has_descriptor = GENERATE(false, true);
  const std::string comment = GENERATE("", "PK\x05\x06 is no end record");
  vim::test::ZipPart part{"a/data/0", kData};
  part.is_64 = is_64;
  part.has_descriptor = has_descriptor;
  const std::string bytes = zip_bytes({part, {"a/empty", ""}}, comment, is_64);
  const ZipArchive archive = ZipArchive::parse(as_bytes(bytes), "file");
  REQUIRE(archive.entries().size() == 2);
  CHECK(read(archive, "a/data/0") == kData);
  CHECK(read(archive, "a/empty").empty());
  CHECK(archive.find("a/data") == nullptr);
}

TEST_CASE("names that would lead out of a folder are only names") {
  const std::string bytes = zip_bytes({{"../../etc/passwd", "x"}, {"/abs", "y"}, {"a\\b", "z"}});
  CHECK(read(ZipArchive::parse(as_bytes(bytes), "file"), "../../etc/passwd") == "x");
}

TEST_CASE("entries that torch.save never writes are refused") {
  vim::test::ZipPart part{"a", kData};
  part.method = 8;
  CHECK(contains(parse_error(zip_bytes({part})), "file: zip entry \"a\" is compressed"));
  part.method = 0;
  part.flags = 1;
  CHECK(contains(parse_error(zip_bytes({part})), "zip entry \"a\" is encrypted"));
  CHECK(contains(parse_error(zip_bytes({{"a", "1"}, {"a", "2"}})), "the name appears twice"));
}

TEST_CASE("a wrong CRC-32 is noticed when the entry is read, and only then") {
  vim::test::ZipPart part{"bad", kData};
  part.crc = 1;
  const std::string bytes = zip_bytes({part, {"good", "g"}});
  const ZipArchive archive = ZipArchive::parse(as_bytes(bytes), "file");
  CHECK(read(archive, "good") == "g");
  const std::string error = vim::test::thrown_text([&] { archive.data(*archive.find("bad")); });
  CHECK(contains(error, "file: zip entry \"bad\": the data do not match their CRC-32"));
  CHECK_THROWS_AS(archive.data(ZipEntry{"good"}), std::invalid_argument);
}

TEST_CASE("an archive without any CRC-32 is read as one that leaves them out") {
  vim::test::ZipPart part{"a", kData};
  part.crc = 0;
  const std::string bytes = zip_bytes({part, {"b", ""}});
  const ZipArchive archive = ZipArchive::parse(as_bytes(bytes), "file");
  CHECK_FALSE(archive.has_checksums());
  CHECK(read(archive, "a") == kData);
  const std::string some = zip_bytes({part, {"b", "x"}});
  const ZipArchive partly = ZipArchive::parse(as_bytes(some), "file");
  CHECK(partly.has_checksums());
  CHECK_THROWS_AS(partly.data(*partly.find("a")), vim::Error);
}

TEST_CASE("tables of contents that do not fit the file are refused") {
  const std::string whole = zip_bytes({{"a", "xxxx"}, {"b", "yyyy"}});
  REQUIRE(parse_error(whole) == "nothing was thrown");
  const std::string first = "PK\x01\x02";
  CHECK(contains(parse_error(replaced(whole, first, "PK\x01\x03")), "is broken"));
  // The second entry's name in its local header, then its place.
  CHECK(contains(parse_error(replaced(whole, "byyyy", "cyyyy")), "bears another name"));
  const std::string moved = replaced(whole, vim::test::u32(35) + "b", vim::test::u32(34) + "b");
  CHECK(contains(parse_error(moved), "there is no entry at its place"));
}

TEST_CASE("overlapping entries are refused") {
  // An archive inside the data of an entry: both tables name bytes of the other.
  const std::string inner = "PK\x03\x04" + vim::test::u16(20) + vim::test::u16(0) +
                            vim::test::u16(0) + vim::test::u32(0) + vim::test::u32(0) +
                            vim::test::u32(1) + vim::test::u32(1) + vim::test::u16(1) +
                            vim::test::u16(0) + "bz";
  std::string bytes = zip_bytes({{"a", inner}, {"b", "z"}});
  // The directory's second entry now points into the first one's data.
  const std::string offset = vim::test::u32(31 + inner.size()) + "b";
  bytes = replaced(bytes, offset, vim::test::u32(31) + "b");
  CHECK(contains(parse_error(bytes), "overlaps what follows it"));
}

TEST_CASE("end records with impossible numbers are refused") {
  const std::string whole = zip_bytes({{"a", "x"}});
  const size_t end = whole.rfind("PK\x05\x06");
  const auto patched = [&](size_t offset, const std::string& value) {
    std::string bytes = whole;
    return bytes.replace(end + offset, value.size(), value);
  };
  CHECK(contains(parse_error(patched(8, vim::test::u16(9))), "spans several files"));
  CHECK(
      contains(parse_error(patched(8, vim::test::u16(9) + vim::test::u16(9))), "beyond the file"));
  CHECK(contains(parse_error(patched(16, vim::test::u32(1U << 30))), "beyond the file"));
  CHECK(contains(parse_error(patched(12, vim::test::u32(1U << 30))), "beyond the file"));
  std::string big = zip_bytes({{"a", "x"}}, "", true);
  const size_t locator = big.rfind("PK\x06\x07");
  CHECK(contains(
      parse_error(std::string(big).replace(locator + 8, 8, vim::test::u64(3))),
      "64-bit end record"));
  CHECK(contains(
      parse_error(std::string(big).replace(locator + 8, 8, std::string(8, '\xFF'))),
      "bytes are wanted"));
}

TEST_CASE("an archive cut at any byte is refused") {
  const std::string whole = zip_bytes({{"a", "xxxx"}, {"b", "yyyy"}}, "", true);
  for (size_t length = 0; length < whole.size(); ++length) {
    INFO("length " << length);
    CHECK(parse_error(whole.substr(0, length)) != "nothing was thrown");
  }
}
