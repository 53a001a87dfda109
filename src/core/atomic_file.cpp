// Temporary name, fsync, rename, fsync of the folder: POSIX's recipe for a file that survives a
// crash.
#include "src/core/atomic_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <random>
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

std::filesystem::path folder_of(const std::filesystem::path& path) {
  return path.has_parent_path() ? path.parent_path() : ".";
}

// Process numbers differ on one host only, and host names not between containers: a network file
// system takes 64 random bits.
std::filesystem::path temporary_name(std::filesystem::path path) {
  std::random_device random;
  path += fmt::format(".{}-{:08x}{:08x}{}", ::getpid(), random(), random(), kUnfinishedSuffix);
  return path;
}

void create_folder(const std::filesystem::path& folder) {
  std::error_code code;
  std::filesystem::create_directories(folder, code);
  if (code) {
    fail(folder, "create folder", code.value());
  }
}

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

AtomicFile::AtomicFile(std::filesystem::path path)
    : path_(std::move(path)), temporary_(temporary_name(path_)) {
  create_folder(folder_of(path_));
  descriptor_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  if (descriptor_ < 0) {
    fail(temporary_, "create file", errno);
  }
}

AtomicFile::~AtomicFile() {
  if (descriptor_ >= 0) {
    ::close(descriptor_);
    ::unlink(temporary_.c_str());
  }
}

void AtomicFile::append(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(descriptor_, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) {
      continue;
    }
    if (written < 0) {
      fail(temporary_, "write", errno);
    }
    bytes = bytes.subspan(static_cast<size_t>(written));
  }
}

void AtomicFile::set_size(uint64_t size) {
  if (::ftruncate(descriptor_, static_cast<off_t>(size)) != 0) {
    fail(temporary_, "set the size", errno);
  }
}

void AtomicFile::write_at(uint64_t offset, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t written =
        ::pwrite(descriptor_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (written < 0 && errno == EINTR) {
      continue;
    }
    if (written < 0) {
      fail(temporary_, "write", errno);
    }
    bytes = bytes.subspan(static_cast<size_t>(written));
    offset += static_cast<uint64_t>(written);
  }
}

void AtomicFile::commit() {
  if (::fsync(descriptor_) != 0) {
    fail(temporary_, "flush to disk", errno);
  }
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) {
    fail(path_, "rename into place", errno);
  }
  ::close(descriptor_);
  descriptor_ = -1;
  sync_folder(folder_of(path_));
}

void write_file_atomically(
    const std::filesystem::path& path, const std::function<void(const WriteBytes&)>& produce) {
  AtomicFile file(path);
  produce([&file](std::span<const std::byte> bytes) { file.append(bytes); });
  file.commit();
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
