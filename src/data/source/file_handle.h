// A file descriptor that closes itself.
#pragma once

#include <string>

namespace vim::data {

class FileHandle {
 public:
  /// Opens for reading; get() is negative and errno set if that fails.
  explicit FileHandle(const std::string& path);
  ~FileHandle();
  FileHandle(const FileHandle&) = delete;
  FileHandle& operator=(const FileHandle&) = delete;

  int get() const { return descriptor_; }

 private:
  int descriptor_;
};

}  // namespace vim::data
