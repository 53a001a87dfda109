// zlib's file functions; they read a file that is not compressed as it is.
#include "src/data/source/gzip_file.h"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

#include "src/core/error.h"

namespace vim::data {
namespace {

constexpr size_t kChunk = size_t{1} << 20;

struct CloseGzip {
  void operator()(gzFile_s* file) const { gzclose(file); }
};

[[noreturn]] void fail(const std::filesystem::path& path, const std::string& what) {
  throw Error(fmt::format("{}: {}; download it again", path.string(), what));
}

}  // namespace

std::vector<uint8_t> read_gzip_file(const std::filesystem::path& path, uint64_t limit) {
  const std::unique_ptr<gzFile_s, CloseGzip> file(gzopen(path.c_str(), "rbe"));
  if (!file) {
    throw Error(fmt::format(
        "{}: cannot be opened: {}; check the path", path.string(), std::strerror(errno)));
  }
  std::vector<uint8_t> bytes;
  for (;;) {
    const size_t before = bytes.size();
    bytes.resize(before + kChunk);
    const int count = gzread(file.get(), bytes.data() + before, kChunk);
    int code = Z_OK;
    const char* reason = gzerror(file.get(), &code);
    // A file that ends early reads well up to there and then says so.
    if (count < 0 || code != Z_OK) {
      fail(path, fmt::format("damaged before byte {}: {}", gzoffset(file.get()), reason));
    }
    bytes.resize(before + static_cast<size_t>(count));
    if (bytes.size() > limit) {
      fail(path, fmt::format("has more than {} bytes unpacked", limit));
    }
    if (count == 0) {
      return bytes;
    }
  }
}

}  // namespace vim::data
