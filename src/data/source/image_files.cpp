// Reading goes on behind a bad file; whoever asked for it hears of it through problems().
#include "src/data/source/image_files.h"

#include <fmt/format.h>

#include "src/core/error.h"
#include "src/data/image/decode.h"
#include "src/data/source/read_file.h"

namespace vim::data {

int64_t ImageFiles::label(int64_t /*index*/) const { return 0; }

std::string ImageFiles::name(int64_t index) const { return paths_.at(static_cast<size_t>(index)); }

StoredImage ImageFiles::fetch(int64_t index, std::vector<uint8_t>& buffer) const {
  std::string problem;
  try {
    read_file(name(index), buffer);
    return store_pixels(decode_image(buffer), buffer);
  } catch (const BadImage& bad) {
    problem = fmt::format(
        "{}: cannot be decoded: {}; give a whole JPEG or PNG file", name(index), bad.what());
  } catch (const Error& error) {
    problem = error.what();
  }
  const std::lock_guard lock(mutex_);
  problems_[index] = std::move(problem);
  return store_pixels({1, 1, {0, 0, 0}}, buffer);
}

std::map<int64_t, std::string> ImageFiles::problems() const {
  const std::lock_guard lock(mutex_);
  return problems_;
}

}  // namespace vim::data
