// Without a stream's buffer: a small file takes one read.
#include "src/data/read_file.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

#include "src/core/error.h"

namespace vim::data {
namespace {

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};

[[noreturn]] void fail_to_read(const std::string& path, const char* reason) {
  throw Error(
      fmt::format("{}: cannot be read: {}; check the file and its permissions", path, reason));
}

}  // namespace

void read_file(const std::string& path, std::vector<uint8_t>& bytes) {
  const std::unique_ptr<std::FILE, CloseFile> file(std::fopen(path.c_str(), "rbe"));
  struct stat status {};
  if (!file || ::fstat(::fileno(file.get()), &status) != 0) {
    fail_to_read(path, std::strerror(errno));
  }
  std::setvbuf(file.get(), nullptr, _IONBF, 0);
  bytes.resize(static_cast<size_t>(status.st_size));
  if (std::fread(bytes.data(), 1, bytes.size(), file.get()) != bytes.size()) {
    fail_to_read(
        path, std::ferror(file.get()) != 0 ? std::strerror(errno) : "it has become shorter");
  }
}

std::vector<uint8_t> read_file(const std::string& path) {
  std::vector<uint8_t> bytes;
  read_file(path, bytes);
  return bytes;
}

}  // namespace vim::data
