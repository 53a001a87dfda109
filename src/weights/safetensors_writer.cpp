// Writing: order by element size, encode the header, stream everything through an atomic file.
#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <set>
#include <stdexcept>

#include "src/core/atomic_file.h"
#include "src/core/error.h"
#include "src/weights/safetensors.h"
#include "src/weights/safetensors_header.h"

namespace vim::weights {
namespace {

using OrderedJson = nlohmann::ordered_json;

constexpr size_t kHeaderAlignment = 8;

void check_tensor(const TensorToWrite& tensor, const std::string& file_name) {
  const uint64_t expected = tensor_bytes(tensor.type, tensor.shape);
  if (tensor.name == kMetadataKey || tensor.data.size() != expected) {
    throw std::invalid_argument(
        file_name + ": tensor \"" + printable(tensor.name) + "\": expected " +
        std::to_string(expected) + " bytes under a name other than " + std::string(kMetadataKey) +
        ", got " + std::to_string(tensor.data.size()));
  }
}

// One behind the other, in the given order.
std::vector<TensorInfo> lay_out(
    const std::vector<TensorToWrite>& tensors, const std::string& file_name) {
  std::vector<TensorInfo> places;
  uint64_t position = 0;
  for (const TensorToWrite& tensor : tensors) {
    check_tensor(tensor, file_name);
    const uint64_t end = position + tensor.data.size();
    places.push_back({tensor.name, tensor.type, tensor.shape, position, end});
    position = end;
  }
  return places;
}

OrderedJson describe(
    const std::vector<TensorInfo>& tensors,
    const std::map<std::string, std::string>& metadata,
    const std::string& file_name) {
  OrderedJson header = OrderedJson::object();
  if (!metadata.empty()) {
    header[std::string(kMetadataKey)] = metadata;
  }
  std::set<std::string_view> names;
  for (const TensorInfo& tensor : tensors) {
    if (!names.insert(tensor.name).second) {
      throw std::invalid_argument(
          file_name + ": expected distinct names, got \"" + printable(tensor.name) + "\" twice");
    }
    // push_back on the underlying vector: ordered_json looks names up linearly, and names are
    // distinct.
    header.get_ref<OrderedJson::object_t&>().push_back(
        {tensor.name,
         OrderedJson{
             {"dtype", type_name(tensor.type)},
             {"shape", tensor.shape},
             {"data_offsets", {tensor.begin, tensor.end}}}});
  }
  return header;
}

}  // namespace

std::array<std::byte, 8> encode_length(uint64_t length) {
  std::array<std::byte, 8> bytes{};
  for (size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] = static_cast<std::byte>(length >> (8 * i));
  }
  return bytes;
}

std::vector<TensorToWrite> storage_order(const std::vector<TensorToWrite>& tensors) {
  std::vector<TensorToWrite> sorted = tensors;
  std::stable_sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) {
    return type_size(a.type) > type_size(b.type);
  });
  return sorted;
}

std::string encode_header(
    const std::vector<TensorToWrite>& tensors,
    const std::map<std::string, std::string>& metadata,
    const std::string& file_name) {
  return encode_header(lay_out(tensors, file_name), metadata, file_name);
}

std::string encode_header(
    const std::vector<TensorInfo>& tensors,
    const std::map<std::string, std::string>& metadata,
    const std::string& file_name) {
  const OrderedJson header = describe(tensors, metadata, file_name);
  std::string text;
  try {
    text = header.dump();
  } catch (const nlohmann::json::type_error&) {
    throw Error(
        file_name + ": a name or text to be stored is not UTF-8; rename the file, folder or class");
  }
  text.resize((text.size() + kHeaderAlignment - 1) / kHeaderAlignment * kHeaderAlignment, ' ');
  if (text.size() > kMaxHeaderSize) {
    throw Error(
        file_name + ": the header would take " + std::to_string(text.size()) +
        " bytes, 100 MB is the format's limit; store fewer tensors or less text");
  }
  return text;
}

void write_encoded(
    const std::filesystem::path& path,
    const std::string& header,
    const std::vector<TensorToWrite>& tensors) {
  core::write_file_atomically(path, [&](const core::WriteBytes& write) {
    write(encode_length(header.size()));
    write(std::as_bytes(std::span(header.data(), header.size())));
    for (const TensorToWrite& tensor : tensors) {
      write(tensor.data);
    }
  });
}

void write_safetensors(
    const std::filesystem::path& path,
    const std::vector<TensorToWrite>& tensors,
    const std::map<std::string, std::string>& metadata) {
  const std::vector<TensorToWrite> sorted = storage_order(tensors);
  write_encoded(path, encode_header(sorted, metadata, path.string()), sorted);
}

}  // namespace vim::weights
