// Bytes that can be read at any place: a file opened once, or memory.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

#include "src/data/source/retry.h"

namespace vim::data {

/// All members may be called from several threads at once.
class ByteSource {
 public:
  virtual ~ByteSource() = default;

  /// What to call it in a message.
  virtual const std::string& name() const = 0;

  /// In bytes.
  virtual uint64_t size() const = 0;

  /// Fills `out` with the bytes from `offset` on. Throws ReadError naming the source and the offset
  /// if they cannot all be read.
  virtual void read_at(uint64_t offset, std::span<uint8_t> out) const = 0;
};

/// A file, read by position: one descriptor for all threads and no state besides. Errors that may
/// pass are tried again, each time with the file opened anew.
class FileSource : public ByteSource {
 public:
  /// Throws vim::Error naming the path and the system's reason, also if it is no regular file.
  explicit FileSource(const std::filesystem::path& path, RetryPolicy policy = {});
  ~FileSource() override;
  FileSource(const FileSource&) = delete;
  FileSource& operator=(const FileSource&) = delete;

  const std::string& name() const override { return name_; }
  uint64_t size() const override { return size_; }
  void read_at(uint64_t offset, std::span<uint8_t> out) const override;

 private:
  int read_once(uint64_t& offset, std::span<uint8_t>& out) const;
  int reopen() const;

  std::string name_;
  RetryPolicy policy_;
  int descriptor_;
  uint64_t size_ = 0;
};

/// Somebody else's bytes, which must outlive it.
class MemorySource : public ByteSource {
 public:
  MemorySource(std::span<const uint8_t> bytes, std::string name)
      : bytes_(bytes), name_(std::move(name)) {}

  const std::string& name() const override { return name_; }
  uint64_t size() const override { return bytes_.size(); }
  void read_at(uint64_t offset, std::span<uint8_t> out) const override;

 private:
  std::span<const uint8_t> bytes_;
  std::string name_;
};

}  // namespace vim::data
