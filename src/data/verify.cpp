// The facts of one image, and how they are written down.
#include "src/data/verify.h"

#include <fmt/format.h>

#include <algorithm>
#include <new>
#include <sstream>

#include "src/core/checksum.h"
#include "src/core/error.h"
#include "src/data/image/decode.h"

namespace vim::data {
namespace {

// Some reasons come from libraries, in several lines.
std::string one_line(std::string text) {
  std::replace_if(
      text.begin(), text.end(), [](unsigned char c) { return c < ' '; }, ' ');
  return text.empty() ? "cannot be read" : text;
}

std::string without_name(const std::string& text, const std::string& name) {
  return text.starts_with(name + ": ") ? text.substr(name.size() + 2) : text;
}

Size decoded_size(const StoredImage& stored) {
  if (stored.pixels != Size{}) {
    return stored.pixels;
  }
  const Image image = decode_image(stored.bytes);
  return {image.height, image.width};
}

ImageFacts parse_line(const std::string& line) {
  std::istringstream in(line);
  ImageFacts facts;
  int format = -1;
  in >> facts.size.height >> facts.size.width >> facts.num_bytes >> std::hex >> facts.hash >>
      std::dec >> format;
  if (!in || format < 0 || format >= kNumImageFormats) {
    throw Error(fmt::format("'{}': does not describe an image; check the file", line));
  }
  facts.format = static_cast<ImageFormat>(format);
  in.get();
  std::getline(in, facts.problem);
  return facts;
}

}  // namespace

ImageFacts inspect_image(const Dataset& dataset, int64_t index, std::vector<uint8_t>& buffer) {
  ImageFacts facts;
  try {
    const StoredImage stored = dataset.fetch(index, buffer);
    facts.num_bytes = stored.bytes.size();
    facts.hash = core::xxh3_64(std::as_bytes(stored.bytes));
    facts.format = stored.pixels != Size{} ? ImageFormat::kPixels : image_format(stored.bytes);
    facts.size = decoded_size(stored);
  } catch (const std::bad_alloc&) {
    throw;
  } catch (const std::exception& error) {
    facts.problem = one_line(without_name(error.what(), dataset.name(index)));
  }
  return facts;
}

std::string write_facts(const std::vector<ImageFacts>& facts) {
  fmt::memory_buffer text;
  for (const ImageFacts& one : facts) {
    fmt::format_to(
        std::back_inserter(text),
        "{} {} {} {:x} {} {}\n",
        one.size.height,
        one.size.width,
        one.num_bytes,
        one.hash,
        static_cast<int>(one.format),
        one.problem);
  }
  return fmt::to_string(text);
}

std::vector<ImageFacts> read_facts(std::string_view text) {
  std::istringstream in{std::string(text)};
  std::vector<ImageFacts> facts;
  for (std::string line; std::getline(in, line);) {
    facts.push_back(parse_line(line));
  }
  return facts;
}

}  // namespace vim::data
