// Reading: map, check once, then hand out views.
#include "src/weights/safetensors.h"

#include <algorithm>
#include <stdexcept>

#include "src/core/error.h"
#include "src/core/mapped_file.h"
#include "src/weights/safetensors_header.h"

namespace vim::weights {
namespace {

constexpr uint64_t kLengthSize = 8;

[[noreturn]] void fail(const std::string& file_name, const std::string& what) {
  throw Error(
      file_name + ": " + what + "; the file is damaged or incomplete, fetch or write it again");
}

uint64_t read_length(std::span<const std::byte> bytes) {
  uint64_t value = 0;
  for (size_t i = 0; i < kLengthSize; ++i) {
    value |= std::to_integer<uint64_t>(bytes[i]) << (8 * i);
  }
  return value;
}

// Splits off the header text after checking its length against the file.
std::string_view find_header(std::span<const std::byte> bytes, const std::string& file_name) {
  if (bytes.size() < kLengthSize) {
    fail(file_name, "only " + std::to_string(bytes.size()) + " bytes long");
  }
  const uint64_t length = read_length(bytes);
  if (length > kMaxHeaderSize) {
    fail(file_name, "the header claims " + std::to_string(length) + " bytes, more than 100 MB");
  }
  if (length > bytes.size() - kLengthSize) {
    fail(
        file_name,
        "the header claims " + std::to_string(length) + " bytes, the file holds " +
            std::to_string(bytes.size() - kLengthSize));
  }
  return {reinterpret_cast<const char*>(bytes.data()) + kLengthSize, length};
}

void check_size(const TensorInfo& tensor, const std::string& file_name) {
  const std::string where = "tensor \"" + printable(tensor.name) + "\": ";
  uint64_t expected = 0;
  try {
    expected = tensor_bytes(tensor.type, tensor.shape);
  } catch (const std::overflow_error&) {
    fail(file_name, where + "the shape is too large");
  }
  if (tensor.end < tensor.begin || tensor.end - tensor.begin != expected) {
    fail(
        file_name,
        where + "shape and type need " + std::to_string(expected) + " bytes, data_offsets are [" +
            std::to_string(tensor.begin) + ", " + std::to_string(tensor.end) + "]");
  }
}

// Sorts the tensors by their data and checks that they tile [0, data_size).
void check_ranges(
    std::vector<TensorInfo>& tensors, uint64_t data_size, const std::string& file_name) {
  std::stable_sort(tensors.begin(), tensors.end(), [](const auto& a, const auto& b) {
    return a.begin != b.begin ? a.begin < b.begin : a.end < b.end;
  });
  uint64_t position = 0;
  for (const TensorInfo& tensor : tensors) {
    check_size(tensor, file_name);
    if (tensor.begin != position) {
      fail(
          file_name,
          "tensor \"" + printable(tensor.name) + "\": data starts at " +
              std::to_string(tensor.begin) + ", the one before ends at " +
              std::to_string(position));
    }
    position = tensor.end;
  }
  if (position != data_size) {
    fail(
        file_name,
        "the tensors need " + std::to_string(position) + " bytes of data, the file holds " +
            std::to_string(data_size));
  }
}

}  // namespace

SafetensorsFile SafetensorsFile::open(const std::filesystem::path& path) {
  auto mapping = std::make_shared<const core::MappedFile>(path);
  SafetensorsFile file = parse(mapping->bytes(), path.string());
  file.mapping_ = std::move(mapping);
  return file;
}

SafetensorsFile SafetensorsFile::parse(std::span<const std::byte> bytes, std::string_view name) {
  SafetensorsFile file;
  file.name_ = name;
  file.header_text_ = find_header(bytes, file.name_);
  file.data_ = bytes.subspan(kLengthSize + file.header_text_.size());
  SafetensorsHeader header = parse_header(file.header_text_, file.name_);
  check_ranges(header.tensors, file.data_.size(), file.name_);
  file.tensors_ = std::move(header.tensors);
  file.metadata_ = std::move(header.metadata);
  for (size_t i = 0; i < file.tensors_.size(); ++i) {
    file.index_.emplace(file.tensors_[i].name, i);
  }
  return file;
}

const TensorInfo* SafetensorsFile::find(std::string_view name) const {
  const auto found = index_.find(name);
  return found == index_.end() ? nullptr : &tensors_[found->second];
}

std::span<const std::byte> SafetensorsFile::data(const TensorInfo& tensor) const {
  if (tensor.begin > tensor.end || tensor.end > data_.size()) {
    throw std::invalid_argument(
        name_ + ": data: expected a tensor of this file (" + std::to_string(data_.size()) +
        " bytes of data), got \"" + printable(tensor.name) + "\" ending at " +
        std::to_string(tensor.end));
  }
  return data_.subspan(tensor.begin, tensor.end - tensor.begin);
}

}  // namespace vim::weights
