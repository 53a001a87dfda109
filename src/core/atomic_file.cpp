// Temporary name, fsync, rename, fsync of the folder: POSIX's recipe for a file that survives a
// crash.
#include "src/core/atomic_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "src/core/error.h"

namespace vim::core {
namespace {

constexpr std::string_view kUnfinishedSuffix = ".unfinished";

[[noreturn]] void fail(const std::filesystem::path& path, const char* what, int error) {
  throw Error(
      path.string() + ": cannot " + what + ": " + std::strerror(error) +
      "; check the folder's permissions and free space");
}

// A file descriptor that closes itself, and removes its file unless release() was reached.
class PendingFile {
 public:
  explicit PendingFile(std::filesystem::path path)
      : path_(std::move(path)),
        descriptor_(::open(path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644)) {
    if (descriptor_ < 0) {
      fail(path_, "create file", errno);
    }
  }
  PendingFile(const PendingFile&) = delete;
  PendingFile& operator=(const PendingFile&) = delete;
  ~PendingFile() {
    if (descriptor_ >= 0) {
      ::close(descriptor_);
      ::unlink(path_.c_str());
    }
  }

  void write(std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
      const ssize_t written = ::write(descriptor_, bytes.data(), bytes.size());
      if (written < 0 && errno == EINTR) {
        continue;
      }
      if (written < 0) {
        fail(path_, "write", errno);
      }
      bytes = bytes.subspan(static_cast<size_t>(written));
    }
  }

  void rename_to(const std::filesystem::path& target) {
    if (::fsync(descriptor_) != 0) {
      fail(path_, "flush to disk", errno);
    }
    if (::rename(path_.c_str(), target.c_str()) != 0) {
      fail(target, "rename into place", errno);
    }
    ::close(descriptor_);
    descriptor_ = -1;
  }

 private:
  std::filesystem::path path_;
  int descriptor_;
};

// Makes the rename itself durable. Some file systems refuse to fsync a folder; that is not an
// error.
void sync_folder(const std::filesystem::path& folder) {
  const int descriptor = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor >= 0) {
    ::fsync(descriptor);
    ::close(descriptor);
  }
}

}  // namespace

void write_file_atomically(
    const std::filesystem::path& path, const std::function<void(const WriteBytes&)>& produce) {
  const std::filesystem::path folder = path.has_parent_path() ? path.parent_path() : ".";
  std::error_code code;
  std::filesystem::create_directories(folder, code);
  if (code) {
    fail(folder, "create folder", code.value());
  }
  std::filesystem::path temporary = path;
  temporary += fmt::format(".{}{}", ::getpid(), kUnfinishedSuffix);
  PendingFile file(temporary);
  produce([&file](std::span<const std::byte> bytes) { file.write(bytes); });
  file.rename_to(path);
  sync_folder(folder);
}

void write_file_atomically(const std::filesystem::path& path, std::string_view text) {
  write_file_atomically(path, [text](const WriteBytes& write) {
    write(std::as_bytes(std::span(text.data(), text.size())));
  });
}

bool is_unfinished_file(const std::filesystem::path& path) {
  return path.filename().string().ends_with(kUnfinishedSuffix);
}

}  // namespace vim::core
