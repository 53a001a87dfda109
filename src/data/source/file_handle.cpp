#include "src/data/source/file_handle.h"

#include <fcntl.h>
#include <unistd.h>

namespace vim::data {

FileHandle::FileHandle(const std::string& path)
    : descriptor_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {}

FileHandle::~FileHandle() {
  if (descriptor_ >= 0) {
    ::close(descriptor_);
  }
}

}  // namespace vim::data
