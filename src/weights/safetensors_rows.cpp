// Where every row lies is known from the shapes, so the header comes first and rows go where they
// belong.
#include "src/weights/safetensors_rows.h"

#include <array>
#include <stdexcept>

#include "src/weights/safetensors_header.h"

namespace vim::weights {
namespace {

// One tensor behind the other. Equal element sizes keep every one aligned, in the given order.
std::vector<TensorInfo> lay_out(const std::vector<RowTensor>& tensors) {
  std::vector<TensorInfo> places;
  uint64_t position = 0;
  for (const RowTensor& tensor : tensors) {
    if (tensor.shape.empty() || tensor.name == kMetadataKey ||
        type_size(tensor.type) != type_size(tensors.front().type)) {
      throw std::invalid_argument(
          "SafetensorsRowWriter: \"" + printable(tensor.name) +
          "\" must have rows, another name than " + std::string(kMetadataKey) +
          " and the element size of the others");
    }
    const uint64_t end = position + tensor_bytes(tensor.type, tensor.shape);
    places.push_back({tensor.name, tensor.type, tensor.shape, position, end});
    position = end;
  }
  return places;
}

}  // namespace

SafetensorsRowWriter::SafetensorsRowWriter(
    const std::filesystem::path& path,
    const std::vector<RowTensor>& tensors,
    const std::map<std::string, std::string>& metadata)
    : file_(path), places_(lay_out(tensors)) {
  const std::string header = encode_header(places_, metadata, path.string());
  const std::array<std::byte, 8> length = encode_length(header.size());
  file_.append(length);
  file_.append(std::as_bytes(std::span(header.data(), header.size())));
  data_begin_ = length.size() + header.size();
  file_.set_size(data_begin_ + (places_.empty() ? 0 : places_.back().end));
}

void SafetensorsRowWriter::write_rows(
    size_t tensor, int64_t first_row, std::span<const std::byte> rows) {
  const TensorInfo& place = places_.at(tensor);
  const int64_t num_rows = place.shape.front();
  const uint64_t size = place.end - place.begin;
  const uint64_t row_size = num_rows == 0 ? 0 : size / static_cast<uint64_t>(num_rows);
  const uint64_t begin = static_cast<uint64_t>(first_row) * row_size;
  if (first_row < 0 || first_row > num_rows || rows.size() > size - begin ||
      (row_size > 0 && rows.size() % row_size != 0)) {
    throw std::invalid_argument(
        "SafetensorsRowWriter: " + std::to_string(rows.size()) + " bytes at row " +
        std::to_string(first_row) + " are not rows of \"" + printable(place.name) + "\"");
  }
  file_.write_at(data_begin_ + place.begin + begin, rows);
}

void SafetensorsRowWriter::finish() { file_.commit(); }

}  // namespace vim::weights
