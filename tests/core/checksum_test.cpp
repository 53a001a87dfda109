#include "src/core/checksum.h"

#include <vector>

#include "tests/support/catch.h"

namespace vim::core {
namespace {

TEST_CASE("xxh3_64 of no bytes is the published value") {
  CHECK(xxh3_64({}) == 0x2d06800538d394c2ULL);
}

TEST_CASE("xxh3_64 changes with any single bit") {
  std::vector<std::byte> bytes(300, std::byte{0});
  const uint64_t original = xxh3_64(bytes);
  for (const size_t place : {size_t{0}, size_t{17}, size_t{299}}) {
    bytes[place] = std::byte{1};
    CHECK(xxh3_64(bytes) != original);
    bytes[place] = std::byte{0};
  }
  CHECK(xxh3_64(bytes) == original);
}

TEST_CASE("to_hex writes 16 lower-case digits, leading zeros included") {
  CHECK(to_hex(0) == "0000000000000000");
  CHECK(to_hex(0x0123456789ABCDEFULL) == "0123456789abcdef");
}

}  // namespace
}  // namespace vim::core
