// Tar files by GNU tar in all its formats, where the system has it, and by hand where a header is
// to be odd.
#include "src/data/source/tar_reader.h"

#include <cstdlib>
#include <fstream>
#include <vector>

#include "src/data/source/tar_source.h"
#include "tests/support/catch.h"
#include "tests/support/tar_writer.h"
#include "tests/support/temp_folder.h"
#include "tests/support/thrown_text.h"

namespace {

using vim::data::MemorySource;
using vim::data::TarKind;
using vim::data::TarMember;
using vim::data::TarReader;
using vim::test::contains;
using vim::test::make_tar;
using vim::test::pax_item;
using vim::test::tar_end;
using vim::test::tar_item;
using vim::test::TarItem;
using vim::test::thrown_text;

std::span<const uint8_t> bytes_of(const std::string& text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

std::vector<TarMember> members_of(TarReader reader) {
  std::vector<TarMember> members;
  TarMember member;
  while (reader.next(member)) {
    members.push_back(member);
  }
  return members;
}

std::vector<TarMember> members_of(const std::string& tar) {
  const MemorySource source(bytes_of(tar), "set.tar");
  return members_of(TarReader(source));
}

std::string refusal(const std::string& tar) {
  return thrown_text([&tar] { members_of(tar); });
}

// Name and bytes of the files alone, as text.
std::vector<std::pair<std::string, std::string>> files_of(const std::string& tar) {
  std::vector<std::pair<std::string, std::string>> files;
  for (const TarMember& member : members_of(tar)) {
    if (member.kind == TarKind::kFile) {
      files.emplace_back(member.name, tar.substr(member.offset, member.size));
    }
  }
  return files;
}

std::string read_text(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

const std::string kBinarySize("\x80\0\0\0\0\0\0\0\0\0\0\x05", 12);

}  // namespace

TEST_CASE("GNU tar's members are found in every format it writes") {
  if (std::system("tar --version >/dev/null 2>&1") != 0) {
    WARN("no tar program here");
    return;
  }
  const vim::test::TempFolder folder;
  const std::string format = GENERATE("v7", "ustar", "oldgnu", "gnu", "pax");
  CAPTURE(format);
  std::vector<std::pair<std::string, std::string>> files = {
      {"a/1.jpg", "one"}, {"a/2.jpg", ""}, {"b/3.jpg", std::string(512, 'x')}};
  if (format != "v7") {
    files.emplace_back("c/" + std::string(60, 'd') + "/" + std::string(90, 'e'), "ustar's prefix");
  }
  if (format != "v7" && format != "ustar") {
    files.emplace_back("f/" + std::string(200, 'g') + "/" + std::string(250, 'h'), "long name");
  }
  std::string names;
  for (const auto& [name, bytes] : files) {
    const auto path = folder / ("in/" + name);
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path, std::ios::binary) << bytes;
    names += " " + name;
  }
  std::filesystem::create_symlink("1.jpg", folder / "in/a/link.jpg");
  const std::string command = "cd '" + folder.path().string() + "/in' && tar --format=" + format +
                              " -cf ../set.tar --no-recursion a a/link.jpg" + names;
  REQUIRE(std::system(command.c_str()) == 0);
  const std::string tar = read_text(folder / "set.tar");
  CHECK(files_of(tar) == files);
  const auto members = members_of(tar);
  REQUIRE(members.size() == files.size() + 2);
  CHECK(members[0].kind == TarKind::kFolder);
  CHECK(members[1].kind == TarKind::kLink);
}

TEST_CASE("a file source gives the same members as memory") {
  const vim::test::TempFolder folder;
  std::vector<std::pair<std::string, std::string>> files;
  for (int i = 0; i < 40; ++i) {  // small ones, then some beyond the window that is read at once
    files.emplace_back("a/" + std::to_string(i), std::string(i < 30 ? i : 100'000, 'x'));
  }
  const std::string tar = make_tar(files);
  std::ofstream(folder / "set.tar", std::ios::binary) << tar;
  const vim::data::FileSource source(folder / "set.tar");
  const auto members = members_of(TarReader(source));
  REQUIRE(members.size() == files.size());
  for (size_t i = 0; i < files.size(); ++i) {
    CHECK(members[i].name == files[i].first);
    CHECK(members[i].size == files[i].second.size());
  }
}

TEST_CASE("pax records give the name and size of the next member alone") {
  const std::string tar = pax_item({{"mtime", "1.5"}, {"path", "long/name.jpg"}, {"size", "3"}}) +
                          tar_item({.name = "short", .bytes = "abc", .size_field = "00000000000"}) +
                          tar_item({.name = "next", .bytes = "z"}) + tar_end();
  CHECK(
      files_of(tar) ==
      std::vector<std::pair<std::string, std::string>>{{"long/name.jpg", "abc"}, {"next", "z"}});
}

TEST_CASE("a global pax header changes nothing") {
  TarItem global{.name = "pax_global_header", .bytes = "18 path=elsewhere\n", .type = 'g'};
  const std::string tar = tar_item(global) + tar_item({.name = "a", .bytes = "b"}) + tar_end();
  CHECK(files_of(tar) == std::vector<std::pair<std::string, std::string>>{{"a", "b"}});
}

TEST_CASE("a size may be binary, or octal with blanks") {
  const std::string five = "12345";
  const std::string tar = tar_item({.name = "a", .bytes = five, .size_field = kBinarySize}) +
                          tar_item({.name = "b", .bytes = five, .size_field = "         5 "}) +
                          tar_end();
  const auto files = files_of(tar);
  REQUIRE(files.size() == 2);
  CHECK(files[0].second == five);
  CHECK(files[1].second == five);
}

TEST_CASE("a binary size beyond the file or below zero is refused with its byte") {
  const std::string first = tar_item({.name = "a", .bytes = "b"});  // 1024 bytes
  const std::string huge("\x80\0\0\0\x7F\xFF\xFF\xFF\xFF\xFF\xFF\xFF", 12);
  CHECK(contains(
      refusal(first + tar_item({.name = "big", .size_field = huge}) + tar_end()),
      "set.tar: damaged at byte 1024: big is to have 9223372036854775807 bytes, but only 1024"));
  const std::string above("\x80\0\0\0\x80\0\0\0\0\0\0\0", 12);
  CHECK(contains(
      refusal(first + tar_item({.name = "big", .size_field = above}) + tar_end()),
      "damaged at byte 1024"));
  const std::string negative(12, '\xFF');
  CHECK(contains(
      refusal(first + tar_item({.name = "big", .size_field = negative}) + tar_end()),
      "damaged at byte 1024"));
}

TEST_CASE("the fields of v7 and GNU headers behind the magic are no prefix") {
  const std::string tar = tar_item({.name = "v7", .magic = "", .prefix = "no"}) +
                          tar_item({.name = "gnu", .magic = "ustar  ", .prefix = "no"}) +
                          tar_item({.name = "posix", .prefix = "yes"}) + tar_end();
  const auto members = members_of(tar);
  REQUIRE(members.size() == 3);
  CHECK(members[0].name == "v7");
  CHECK(members[1].name == "gnu");
  CHECK(members[2].name == "yes/posix");
}

TEST_CASE("links, folders and devices have no bytes, whatever their size says") {
  std::string tar;
  for (const char type : {'1', '2', '3', '4', '5', '6'}) {
    tar += tar_item({.name = {type}, .type = type, .size_field = "00000001000"});
  }
  tar += tar_item({.name = "old/folder/", .magic = ""}) + tar_end();
  std::vector<TarKind> kinds;
  for (const TarMember& member : members_of(tar)) {
    CHECK(member.size == 0);
    kinds.push_back(member.kind);
  }
  CHECK(
      kinds == std::vector<TarKind>{
                   TarKind::kLink,
                   TarKind::kLink,
                   TarKind::kOther,
                   TarKind::kOther,
                   TarKind::kFolder,
                   TarKind::kOther,
                   TarKind::kFolder});
}

TEST_CASE("a tar file cut anywhere gives the members before the cut or names a byte") {
  const std::string tar = make_tar({{"a", "1"}, {"b", std::string(600, '2')}, {"c", "3"}});
  // By hand: headers at 0, 1024 and 2560, data end at 513, 2136 and 3073, zeros from 3584 on.
  REQUIRE(tar.size() == 4608);
  for (size_t size = 0; size < tar.size(); ++size) {
    const std::string cut = tar.substr(0, size);
    const bool is_after_a = (size >= 513 && size <= 1024) || size == 0;
    const bool is_after_b = size >= 2136 && size <= 2560;
    const bool is_after_c = size >= 3073 && (size <= 3584 || size >= 4096);
    CAPTURE(size);
    if (is_after_a || is_after_b || is_after_c) {
      CHECK(members_of(cut).size() == (size == 0 ? 0U : is_after_a ? 1U : is_after_b ? 2U : 3U));
    } else {
      const size_t header = size < 1024 ? 0 : size < 2560 ? 1024 : size < 3584 ? 2560 : 3584;
      CHECK(contains(refusal(cut), "set.tar: damaged at byte " + std::to_string(header) + ":"));
    }
  }
}

TEST_CASE("the end mark is told from an end without one") {
  const std::string tar = make_tar({{"a", "1"}});
  const auto ends_by_mark = [](const std::string& bytes) {
    const MemorySource source(bytes_of(bytes), "set.tar");
    TarReader reader(source);
    TarMember member;
    while (reader.next(member)) {
    }
    return reader.has_end_mark();
  };
  CHECK(ends_by_mark(tar));
  CHECK_FALSE(ends_by_mark(tar.substr(0, 1024)));
}

TEST_CASE("every changed byte of a header is noticed and named") {
  const std::string tar = make_tar({{"a", "1"}, {"b", "2"}});
  for (size_t i = 1024; i < 1536; ++i) {
    std::string changed = tar;
    changed[i] = static_cast<char>(changed[i] ^ 0x21);
    CAPTURE(i);
    const bool is_blank_of_sum = i == 1024 + 148 + 7;  // ends the checksum; nothing reads it
    if (!is_blank_of_sum) {
      CHECK(contains(refusal(changed), "damaged at byte 1024"));
    }
  }
}

TEST_CASE("zeros, a foreign file and a compressed one are refused by what they are") {
  const std::string member = tar_item({.name = "a"});
  CHECK(contains(
      refusal(member + std::string(512, '\0') + member + tar_end()),
      "damaged at byte 512: a block of zeros"));
  CHECK(contains(refusal(std::string(2048, 'x')), "damaged at byte 0: this is no tar file"));
  CHECK(contains(refusal("\x1F\x8B" + std::string(2048, 'x')), "set.tar: is compressed; unpack"));
}

TEST_CASE("sparse members and further volumes are refused") {
  const std::string sparse = tar_item({.name = "hollow", .type = 'S'}) + tar_end();
  CHECK(contains(refusal(sparse), "hollow at byte 0 is a sparse member"));
  const std::string pax =
      pax_item({{"GNU.sparse.major", "1"}}) + tar_item({.name = "a"}) + tar_end();
  CHECK(contains(refusal(pax), "sparse member at byte 512"));
  CHECK(contains(refusal(tar_item({.name = "a", .type = 'M'}) + tar_end()), "another volume"));
}

TEST_CASE("extension headers that are too long, wrong or belong to nothing are refused") {
  const auto pax = [](const std::string& records) {
    return refusal(
        tar_item({.name = "p", .bytes = records, .type = 'x'}) + tar_item({.name = "a"}) +
        tar_end());
  };
  CHECK(contains(pax("30 path=a\n"), "damaged at byte 512: the length of a pax record"));
  CHECK(contains(pax("0 path=a\n"), "the length of a pax record"));
  CHECK(contains(pax("path=a\n"), "a number in a pax header"));
  CHECK(contains(pax("10 path_a\n"), "a pax record has no key"));
  CHECK(contains(pax("10 size=x\n"), "a number in a pax header"));
  CHECK(contains(pax("99999999999999999999 a=b\n"), "a number in a pax header"));
  const std::string name(2 << 20, 'n');
  CHECK(contains(
      refusal(tar_item({.name = "L", .bytes = name, .type = 'L'}) + tar_item({.name = "a"})),
      "damaged at byte 0: a name or header of 2097152 bytes"));
  CHECK(contains(
      refusal(tar_item({.name = "L", .bytes = "long", .type = 'L'}) + tar_end()),
      "damaged at byte 1024: it ends behind a header"));
}

TEST_CASE("a tar file within another is read in place, and its errors count from outside") {
  const std::string inner = make_tar({{"1.jpg", "one"}, {"2.jpg", "two"}});
  const std::string outer = make_tar({{"n1.tar", inner}, {"n2.tar", inner.substr(0, 700)}});
  const MemorySource source(bytes_of(outer), "train.tar");
  const TarReader reader(source);
  const auto members = members_of(reader);
  REQUIRE(members.size() == 2);
  const auto images = members_of(reader.open(members[0]));
  REQUIRE(images.size() == 2);
  CHECK(images[1].name == "2.jpg");
  CHECK(outer.substr(images[1].offset, images[1].size) == "two");
  // 512 + 3072 bytes of the first, 512 of the second's header, 512 of its first member's.
  CHECK(members_of(reader.open(members[1])).size() == 1);
  const std::string broken = make_tar({{"n1.tar", inner}, {"n2.tar", inner.substr(0, 1100)}});
  const MemorySource broken_source(bytes_of(broken), "train.tar");
  const TarReader broken_reader(broken_source);
  const TarMember second = members_of(broken_reader).at(1);
  const uint64_t header = 512 + inner.size() + 512 + 1024;
  CHECK(contains(
      thrown_text([&] { members_of(broken_reader.open(second)); }),
      "train.tar: damaged at byte " + std::to_string(header) + " (in n2.tar): it ends within"));
}
