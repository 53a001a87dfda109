// Image operations and resizing against digests of what Pillow made of the same images, for every
// vector instruction set of the machine.
#include <string>
#include <vector>

#include "kernels/backend.h"
#include "src/data/crop.h"
#include "src/data/image/image_op.h"
#include "src/data/image/resize.h"
#include "tests/support/catch.h"
#include "tests/support/op_names.h"
#include "tests/support/sha256.h"

namespace {

using vim::data::Image;
using vim::data::Size;

struct PillowResult {
  const char* op;
  double amount;
  const char* filter;
  Size size;
  Size out_size;
  const char* digest;
};

const std::vector<PillowResult> kPillowResults = {
#include "tests/data/pillow_digests.inc"
};

Image counting_image(const Size& size) {
  Image image{size.height, size.width, {}};
  for (int64_t i = 0; i < size.height * size.width * 3; ++i) {
    image.pixels.push_back(static_cast<uint8_t>((i * i * 7 + i * 13 + i / 64) % 251));
  }
  return image;
}

std::string digest_of(const PillowResult& result) {
  const auto filter = vim::test::interpolation_names().at(result.filter);
  Image image = counting_image(result.size);
  if (std::string(result.op) == "resize") {
    const auto [height, width] = result.out_size;
    return vim::test::sha256_hex(
        vim::data::resize(vim::data::view_of(image), filter, height, width).pixels);
  }
  std::vector<uint8_t> scratch = {7};  // its content must not matter
  vim::data::apply_op(
      {vim::test::op_names().at(result.op), result.amount},
      vim::data::span_of(image),
      {filter, {124, 116, 104}},
      scratch);
  return vim::test::sha256_hex(image.pixels);
}

}  // namespace

TEST_CASE("image operations and resizing give Pillow's bytes on every instruction set") {
  const std::string usual = vim::kernels::current_cpu_backend();
  for (const std::string& backend : vim::kernels::cpu_backends()) {
    REQUIRE(vim::kernels::select_cpu_backend(backend));
    for (const PillowResult& result : kPillowResults) {
      INFO(backend << " " << result.op << " " << result.amount << " " << result.filter);
      INFO(result.size.height << "x" << result.size.width << " to " << result.out_size.height);
      CHECK(digest_of(result) == result.digest);
    }
  }
  vim::kernels::select_cpu_backend(usual);
}

TEST_CASE("sha256 of the standard's examples") {
  const auto digest = [](const std::string& text) {
    return vim::test::sha256_hex({reinterpret_cast<const uint8_t*>(text.data()), text.size()});
  };
  CHECK(digest("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(
      digest("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq") ==
      "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}
