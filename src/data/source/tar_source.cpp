// pread: no shared position, so that workers read one file without a lock.
#include "src/data/source/tar_source.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "src/core/error.h"
#include "src/data/source/file_handle.h"
#include "src/data/source/read_error.h"

namespace vim::data {
namespace {

constexpr int kEnded = -1;  // beside the errno values: the bytes lie behind the end

[[noreturn]] void fail(const std::string& name, const std::string& reason) {
  throw Error(fmt::format("{}: {}; check the file and its permissions", name, reason));
}

[[noreturn]] void fail_at(const std::string& name, uint64_t offset, const std::string& reason) {
  throw ReadError(
      fmt::format(
          "{}: cannot be read at byte {}: {}; check the file and its permissions",
          name,
          offset,
          reason),
      reason);
}

}  // namespace

FileSource::FileSource(const std::filesystem::path& path, RetryPolicy policy)
    : name_(path.string()),
      policy_(std::move(policy)),
      descriptor_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
  if (descriptor_ < 0) {
    fail(name_, fmt::format("cannot be opened: {}", std::strerror(errno)));
  }
  struct stat status {};
  if (::fstat(descriptor_, &status) != 0 || !S_ISREG(status.st_mode)) {
    ::close(descriptor_);
    fail(name_, "is no regular file");
  }
  size_ = static_cast<uint64_t>(status.st_size);
}

FileSource::~FileSource() { ::close(descriptor_); }

// Reads what is left of `out`; 0 or what went wrong.
int FileSource::read_once(uint64_t& offset, std::span<uint8_t>& out) const {
  while (!out.empty()) {
    const ssize_t count = ::pread(descriptor_, out.data(), out.size(), static_cast<off_t>(offset));
    if (count <= 0) {
      return count < 0 ? errno : kEnded;
    }
    out = out.subspan(static_cast<size_t>(count));
    offset += static_cast<uint64_t>(count);
  }
  return 0;
}

// Puts the file's new handle in the old one's place, which other threads may be using. A file of
// another size is not the one that the index describes.
int FileSource::reopen() const {
  const FileHandle file(name_);
  struct stat status {};
  if (file.get() < 0 || ::fstat(file.get(), &status) != 0) {
    return errno;
  }
  if (static_cast<uint64_t>(status.st_size) != size_) {
    return ESTALE;
  }
  return ::dup3(file.get(), descriptor_, O_CLOEXEC) < 0 ? errno : 0;
}

void FileSource::read_at(uint64_t offset, std::span<uint8_t> out) const {
  int code = 0;
  const auto attempt = [&] {
    code = is_passing_error(code) ? reopen() : 0;
    return code = code != 0 ? code : read_once(offset, out);
  };
  const RetryResult result = retry(attempt, policy_, name_);
  if (result.code != 0) {
    fail_at(name_, offset, result.code == kEnded ? "it ends there" : reason_of(result));
  }
}

void MemorySource::read_at(uint64_t offset, std::span<uint8_t> out) const {
  if (offset > bytes_.size() || out.size() > bytes_.size() - offset) {
    fail_at(name_, offset, "it ends before");
  }
  std::copy_n(bytes_.begin() + static_cast<std::ptrdiff_t>(offset), out.size(), out.begin());
}

}  // namespace vim::data
