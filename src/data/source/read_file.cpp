// A small file takes one read, and each attempt opens it anew, which cures a stale handle.
#include "src/data/source/read_file.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "src/data/source/file_handle.h"
#include "src/data/source/read_error.h"

namespace vim::data {
namespace {

constexpr int kShortened = -1;  // beside the errno values: the file ended before its size

// 0 or what went wrong. At least one byte is asked for, so that a disk's failure is seen where the
// size is 0.
int read_once(const std::string& path, std::vector<uint8_t>& bytes) {
  const FileHandle file(path);
  struct stat status {};
  if (file.get() < 0 || ::fstat(file.get(), &status) != 0) {
    return errno;
  }
  const auto size = static_cast<size_t>(status.st_size);
  bytes.resize(std::max<size_t>(size, 1));
  size_t num_read = 0;
  while (num_read < bytes.size()) {
    const ssize_t count = ::read(file.get(), bytes.data() + num_read, bytes.size() - num_read);
    if (count < 0) {
      return errno;
    }
    if (count == 0) {
      break;
    }
    num_read += static_cast<size_t>(count);
  }
  bytes.resize(size);
  return num_read < size ? kShortened : 0;
}

}  // namespace

void read_file(const std::string& path, std::vector<uint8_t>& bytes, const RetryPolicy& policy) {
  const RetryResult result = retry([&] { return read_once(path, bytes); }, policy, path);
  if (result.code == 0) {
    return;
  }
  const std::string reason =
      result.code == kShortened ? "it has become shorter" : reason_of(result);
  throw ReadError(
      fmt::format("{}: cannot be read: {}; check the file and its permissions", path, reason),
      reason);
}

std::vector<uint8_t> read_file(const std::string& path) {
  std::vector<uint8_t> bytes;
  read_file(path, bytes);
  return bytes;
}

}  // namespace vim::data
