#include "src/core/atomic_file.h"

#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "src/core/error.h"
#include "tests/support/catch.h"
#include "tests/support/temp_folder.h"

namespace vim::core {
namespace {

namespace fs = std::filesystem;

std::string read(const fs::path& path) {
  std::ifstream stream(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

std::vector<std::string> names_in(const fs::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) {
    names.push_back(entry.path().filename().string());
  }
  return names;
}

std::string error_text(const fs::path& path) {
  try {
    write_file_atomically(path, "text");
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST_CASE("a written file holds the pieces in order and nothing lies beside it") {
  const test::TempFolder folder;
  const std::vector<std::byte> zeros(100000, std::byte{'0'});
  write_file_atomically(folder / "a.bin", [&zeros](const WriteBytes& write) {
    write(std::as_bytes(std::span("first", 5)));
    write({});
    write(zeros);
  });
  CHECK(read(folder / "a.bin") == "first" + std::string(100000, '0'));
  CHECK(names_in(folder.path()) == std::vector<std::string>{"a.bin"});
}

TEST_CASE("an existing file is replaced whole, even by a shorter one") {
  const test::TempFolder folder;
  write_file_atomically(folder / "a.txt", "a long text");
  write_file_atomically(folder / "a.txt", "short");
  CHECK(read(folder / "a.txt") == "short");
}

TEST_CASE("the old file survives a producer that throws, and the temporary one is removed") {
  const test::TempFolder folder;
  write_file_atomically(folder / "a.txt", "old");
  const auto failing = [](const WriteBytes& write) {
    write(std::as_bytes(std::span("new", 3)));
    throw std::runtime_error("producer failed");
  };
  CHECK_THROWS_WITH(write_file_atomically(folder / "a.txt", failing), "producer failed");
  CHECK(read(folder / "a.txt") == "old");
  CHECK(names_in(folder.path()) == std::vector<std::string>{"a.txt"});
}

TEST_CASE("the target appears only once everything is written") {
  const test::TempFolder folder;
  const fs::path path = folder / "a.txt";
  bool existed_meanwhile = true;
  std::vector<std::string> meanwhile;
  write_file_atomically(path, [&](const WriteBytes& write) {
    write(std::as_bytes(std::span("text", 4)));
    existed_meanwhile = fs::exists(path);
    meanwhile = names_in(folder.path());
  });
  CHECK_FALSE(existed_meanwhile);
  REQUIRE(meanwhile.size() == 1);
  CHECK(is_unfinished_file(meanwhile[0]));
  CHECK_FALSE(is_unfinished_file(path));
}

TEST_CASE("missing folders are created") {
  const test::TempFolder folder;
  write_file_atomically(folder.path() / "one" / "two" / "a.txt", "text");
  CHECK(read(folder.path() / "one" / "two" / "a.txt") == "text");
}

TEST_CASE("a folder that cannot be created is named with the system's reason") {
  const test::TempFolder folder;
  write_file_atomically(folder / "plain", "a file, not a folder");
  const std::string text = error_text(folder.path() / "plain" / "a.txt");
  CHECK(contains(text, (folder / "plain").string() + ": cannot create folder: "));
  CHECK(contains(text, "; check"));
}

TEST_CASE("a target that cannot be replaced is named, and the temporary file removed") {
  const test::TempFolder folder;
  fs::create_directories(folder.path() / "a.txt" / "inside");
  const std::string text = error_text(folder / "a.txt");
  CHECK(contains(text, (folder / "a.txt").string() + ": cannot rename into place: "));
  CHECK(names_in(folder.path()) == std::vector<std::string>{"a.txt"});
}

TEST_CASE("bytes written at a distance lie there, with zeros where nothing was written") {
  const test::TempFolder folder;
  AtomicFile file(folder / "a.bin");
  file.append(std::as_bytes(std::span("head", 4)));
  file.set_size(10);
  file.write_at(8, std::as_bytes(std::span("z", 1)));
  file.write_at(5, std::as_bytes(std::span("xy", 2)));
  CHECK_FALSE(fs::exists(folder / "a.bin"));
  file.commit();
  CHECK(read(folder / "a.bin") == std::string("head\0xy\0z\0", 10));
  CHECK(names_in(folder.path()) == std::vector<std::string>{"a.bin"});
}

// As with two hosts that share a file system and a process number.
TEST_CASE("writers of one path with the same process number leave each other's bytes alone") {
  const test::TempFolder folder;
  AtomicFile first(folder / "a.txt");
  first.append(std::as_bytes(std::span("first", 5)));
  AtomicFile second(folder / "a.txt");
  CHECK(names_in(folder.path()).size() == 2);
  second.append(std::as_bytes(std::span("2nd", 3)));
  first.commit();
  CHECK(read(folder / "a.txt") == "first");
  second.commit();
  CHECK(read(folder / "a.txt") == "2nd");
  CHECK(names_in(folder.path()) == std::vector<std::string>{"a.txt"});
}

TEST_CASE("a file that is not committed leaves nothing behind, and an old one as it was") {
  const test::TempFolder folder;
  write_file_atomically(folder / "a.txt", "old");
  {
    AtomicFile file(folder / "a.txt");
    file.append(std::as_bytes(std::span("new", 3)));
    CHECK(names_in(folder.path()).size() == 2);
  }
  CHECK(read(folder / "a.txt") == "old");
  CHECK(names_in(folder.path()) == std::vector<std::string>{"a.txt"});
}

}  // namespace
}  // namespace vim::core
