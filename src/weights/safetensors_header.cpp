// Header parsing on nlohmann's event interface: no document tree is built, so memory and depth stay
// bounded whatever the file claims, and duplicate keys are seen.
#include "src/weights/safetensors_header.h"

#include <cstdint>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>
#include <stdexcept>

#include "src/core/error.h"

namespace vim::weights {
namespace {

using Json = nlohmann::json;

// Takes the events of
//   {"__metadata__": {TEXT: TEXT}, NAME: {"dtype": TEXT, "shape": [N...], "data_offsets": [N, N]}}
// and throws at the first that does not fit.
class HeaderReader : public nlohmann::json_sax<Json> {
 public:
  explicit HeaderReader(const std::string& file_name) : file_name_(file_name) {}

  SafetensorsHeader take() { return std::move(header_); }

  bool start_object(size_t /*elements*/) override {
    if (depth_ >= 2 || in_array_) {
      fail("an object stands where none may");
    }
    ++depth_;
    return true;
  }

  bool end_object() override {
    if (--depth_ == 1 && !in_metadata_) {
      finish_tensor();
    }
    return true;
  }

  bool key(std::string& text) override {
    if (depth_ == 2) {
      field_ = text;
      if (!fields_.insert(text).second) {
        fail("the key \"" + printable(text) + "\" appears twice");
      }
      return true;
    }
    entry_ = text;
    if (!entries_.insert(text).second) {
      fail("the name appears twice");
    }
    fields_.clear();
    in_metadata_ = text == kMetadataKey;
    tensor_ = TensorInfo();
    tensor_.name = text;
    offsets_.clear();
    return true;
  }

  bool string(std::string& text) override {
    if (depth_ == 2 && in_metadata_) {
      header_.metadata.emplace(field_, text);
      return true;
    }
    if (depth_ != 2 || in_array_ || field_ != "dtype") {
      fail("a text stands where none may");
    }
    const std::optional<TensorType> type = type_from_name(text);
    if (!type) {
      fail("the element type \"" + printable(text) + "\" is not known to this program");
    }
    tensor_.type = *type;
    return true;
  }

  bool start_array(size_t /*elements*/) override {
    const bool is_expected = field_ == "shape" || field_ == "data_offsets";
    if (depth_ != 2 || in_metadata_ || in_array_ || !is_expected) {
      fail("a list stands where none may");
    }
    in_array_ = true;
    return true;
  }

  bool end_array() override {
    in_array_ = false;
    return true;
  }

  bool number_unsigned(uint64_t value) override {
    if (!in_array_) {
      fail("a number stands where none may");
    }
    if (value > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
      fail("the number " + std::to_string(value) + " is too large");
    }
    if (field_ == "shape") {
      tensor_.shape.push_back(static_cast<int64_t>(value));
    } else {
      offsets_.push_back(value);
    }
    return true;
  }

  bool number_integer(int64_t /*value*/) override { fail("a number is negative"); }
  bool number_float(double /*value*/, const std::string& text) override {
    fail("the number " + printable(text) + " is not a whole number below 2^63");
  }
  bool null() override { fail("null stands where it may not"); }
  bool boolean(bool /*value*/) override { fail("true or false stands where neither may"); }
  bool binary(binary_t& /*value*/) override { fail("binary data stands in the header"); }

  bool parse_error(size_t position, const std::string& /*token*/, const Json::exception&) override {
    fail("the header is not valid JSON at byte " + std::to_string(position));
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    const std::string where = entry_.empty() ? "" : "\"" + printable(entry_) + "\": ";
    throw Error(
        file_name_ + ": " + where + what +
        "; the file is damaged or no safetensors file, fetch or write it again");
  }

  void finish_tensor() {
    for (const char* field : {"dtype", "shape", "data_offsets"}) {
      if (!fields_.contains(field)) {
        fail(std::string("the field \"") + field + "\" is missing");
      }
    }
    if (fields_.size() != 3) {
      fail("there is a field other than dtype, shape and data_offsets");
    }
    if (offsets_.size() != 2) {
      fail("data_offsets must hold two numbers, has " + std::to_string(offsets_.size()));
    }
    tensor_.begin = offsets_[0];
    tensor_.end = offsets_[1];
    header_.tensors.push_back(std::move(tensor_));
  }

  const std::string& file_name_;
  SafetensorsHeader header_;
  int depth_ = 0;
  bool in_array_ = false;
  bool in_metadata_ = false;
  std::string entry_;  // name of the tensor being read, or "__metadata__"
  std::string field_;  // key inside it
  std::set<std::string> entries_;
  std::set<std::string> fields_;
  TensorInfo tensor_;
  std::vector<uint64_t> offsets_;
};

}  // namespace

SafetensorsHeader parse_header(std::string_view text, const std::string& file_name) {
  if (text.empty() || text.front() != '{') {
    throw Error(
        file_name +
        ": the header does not start with {; this is no safetensors file, check the path");
  }
  HeaderReader reader(file_name);
  Json::sax_parse(text.begin(), text.end(), &reader);
  return reader.take();
}

uint64_t tensor_bytes(TensorType type, const std::vector<int64_t>& shape) {
  constexpr auto kLimit = static_cast<uint64_t>(std::numeric_limits<int64_t>::max());
  uint64_t bytes = type_size(type);
  for (const int64_t extent : shape) {
    if (extent < 0) {
      throw std::invalid_argument("shape: extents must be >= 0, got " + std::to_string(extent));
    }
    const auto factor = static_cast<uint64_t>(extent);
    if (factor != 0 && bytes > kLimit / factor) {
      throw std::overflow_error("shape: more than 2^63 - 1 bytes");
    }
    bytes *= factor;
  }
  return bytes;
}

std::string printable(std::string_view name) {
  constexpr size_t kLongest = 200;
  std::string text(name.substr(0, kLongest));
  for (char& c : text) {
    const auto code = static_cast<unsigned char>(c);
    if (code < 0x20 || code == 0x7F) {
      c = '?';
    }
  }
  return name.size() > kLongest ? text + "..." : text;
}

}  // namespace vim::weights
