// Elements are a type, a size and bytes; matrices are elements that hold others. Little-endian
// files alone, as all that MATLAB writes today.
#include "src/data/source/mat_file.h"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <stdexcept>
#include <vector>

#include "src/core/error.h"

namespace vim::data {
namespace {

constexpr size_t kHeaderBytes = 128;
constexpr uLongf kMaxUnpacked = uLongf{64} << 20;
constexpr size_t kMaxFields = 1024;  // of a struct; a name in memory takes more than in the file

// Types of elements.
enum MatType : uint32_t {
  kInt8 = 1,
  kUint8 = 2,
  kInt16 = 3,
  kUint16 = 4,
  kInt32 = 5,
  kUint32 = 6,
  kDouble = 9,
  kMatrix = 14,
  kCompressed = 15,
  kUtf8 = 16
};
constexpr uint8_t kStructClass = 2;

using Bytes = std::span<const uint8_t>;

class BadMat : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

struct Element {
  uint32_t type = 0;
  Bytes bytes;
};

template <typename T>
T load(Bytes bytes, size_t index = 0) {
  T value;
  if (bytes.size() < (index + 1) * sizeof value) {
    throw BadMat("an element is too short");
  }
  std::memcpy(&value, bytes.data() + index * sizeof value, sizeof value);
  return value;
}

// Takes one element after the other off the bytes.
class Elements {
 public:
  explicit Elements(Bytes bytes) : bytes_(bytes) {}

  bool is_empty() const { return bytes_.empty(); }

  Element next() {
    const auto first = load<uint32_t>(bytes_);
    if (first >> 16U != 0) {  // a small one: size, type and up to four bytes in eight
      return {first & 0xFFFFU, take(8).subspan(4).first(std::min(first >> 16U, 4U))};
    }
    const auto size = load<uint32_t>(bytes_, 1);
    take(8);
    // Padded to eight bytes, but not where it is compressed, nor at the end.
    const size_t padded = first == kCompressed ? size : (size_t{size} + 7) / 8 * 8;
    if (size > bytes_.size()) {
      throw BadMat("an element is longer than what holds it");
    }
    return {first, take(std::min(padded, bytes_.size())).first(size)};
  }

  Bytes next(uint32_t type) {
    const Element element = next();
    if (element.type != type) {
      throw BadMat("an element is of another type than expected");
    }
    return element.bytes;
  }

 private:
  Bytes take(size_t count) {
    if (count > bytes_.size()) {
      throw BadMat("it ends within an element");
    }
    const Bytes taken = bytes_.first(count);
    bytes_ = bytes_.subspan(count);
    return taken;
  }

  Bytes bytes_;
};

std::vector<uint8_t> inflate(Bytes bytes) {
  for (uLongf size = std::max<uLongf>(bytes.size() * 4, 4096);; size *= 4) {
    uLongf used = std::min(size, kMaxUnpacked);
    std::vector<uint8_t> unpacked(used);
    const int code = ::uncompress(unpacked.data(), &used, bytes.data(), bytes.size());
    if (code == Z_OK) {
      unpacked.resize(used);
      return unpacked;
    }
    if (code != Z_BUF_ERROR || size >= kMaxUnpacked) {
      throw BadMat("a compressed element is damaged");
    }
  }
}

std::string as_text(Bytes bytes) { return {bytes.begin(), bytes.end()}; }

// The head of a matrix, whose further elements follow.
struct Matrix {
  uint8_t kind = 0;
  uint64_t count = 1;  // of its items
  std::string name;
};

Matrix read_head(Elements& elements) {
  Matrix matrix;
  matrix.kind = load<uint8_t>(elements.next(kUint32));
  const Bytes sizes = elements.next(kInt32);
  for (size_t i = 0; i < sizes.size() / 4; ++i) {
    matrix.count *= load<uint32_t>(sizes, i);
    if (matrix.count > kMaxUnpacked) {
      throw BadMat("an array is too large");
    }
  }
  matrix.name = as_text(elements.next(kInt8));
  return matrix;
}

// A matrix of one number, stored in whatever type holds it.
int64_t read_number(Bytes bytes) {
  Elements elements(bytes);
  read_head(elements);
  const Element data = elements.next();
  switch (data.type) {
    case kInt8:
    case kUint8:
      return load<uint8_t>(data.bytes);
    case kInt16:
    case kUint16:
      return load<uint16_t>(data.bytes);
    case kInt32:
    case kUint32:
      return load<uint32_t>(data.bytes);
    case kDouble: {
      const auto value = load<double>(data.bytes);
      if (!(value >= 0 && value <= 1e9)) {
        throw BadMat("a number is out of range");
      }
      return std::llround(value);
    }
    default:
      throw BadMat("a number is of an unknown type");
  }
}

// A matrix of characters, all of them ASCII.
std::string read_text(Bytes bytes) {
  Elements elements(bytes);
  read_head(elements);
  const Element data = elements.next();
  std::string text;
  const size_t width = data.type == kUint16 ? 2 : 1;
  for (size_t i = 0; i + width <= data.bytes.size(); i += width) {
    text += static_cast<char>(data.bytes[i]);
  }
  return text;
}

// The names of a struct's fields, each in a stretch of the same length.
std::vector<std::string> read_field_names(Elements& elements) {
  const auto length = load<uint32_t>(elements.next(kInt32));
  const Bytes names = elements.next(kInt8);
  if (length == 0 || names.size() % length != 0 || names.size() / length > kMaxFields) {
    throw BadMat("the names of fields are damaged");
  }
  std::vector<std::string> fields;
  for (size_t begin = 0; begin < names.size(); begin += length) {
    const std::string name = as_text(names.subspan(begin, length));
    fields.push_back(name.substr(0, name.find('\0')));
  }
  return fields;
}

std::map<int64_t, std::string> read_records(
    Elements& elements, uint64_t count, const MatFields& wanted) {
  const std::vector<std::string> fields = read_field_names(elements);
  std::map<int64_t, std::string> records;
  for (uint64_t i = 0; i < count; ++i) {
    int64_t number = -1;
    std::string text;
    for (const std::string& field : fields) {
      const Bytes value = elements.next(kMatrix);
      if (field == wanted.number) {
        number = read_number(value);
      } else if (field == wanted.text) {
        text = read_text(value);
      }
    }
    if (number < 0 || text.empty() || !records.emplace(number, text).second) {
      throw BadMat("a record lacks its number or name, or has that of another");
    }
  }
  return records;
}

std::map<int64_t, std::string> find_records(Bytes bytes, const MatFields& wanted) {
  if (bytes.size() < kHeaderBytes || as_text(bytes.subspan(126, 2)) != "IM") {
    throw BadMat("is no MAT file of level 5");
  }
  Elements variables(bytes.subspan(kHeaderBytes));
  while (!variables.is_empty()) {
    Element variable = variables.next();
    std::vector<uint8_t> unpacked;
    if (variable.type == kCompressed) {
      unpacked = inflate(variable.bytes);
      variable = Elements(unpacked).next();
    }
    if (variable.type != kMatrix) {
      continue;
    }
    Elements elements(variable.bytes);
    const Matrix matrix = read_head(elements);
    if (matrix.kind == kStructClass && matrix.name == wanted.array) {
      return read_records(elements, matrix.count, wanted);
    }
  }
  throw BadMat(fmt::format("holds no array {}", wanted.array));
}

}  // namespace

std::map<int64_t, std::string> read_mat_table(
    std::span<const uint8_t> bytes, const MatFields& fields, const std::string& where) {
  try {
    return find_records(bytes, fields);
  } catch (const BadMat& bad) {
    throw Error(fmt::format("{}: {}; download it again", where, bad.what()));
  }
}

}  // namespace vim::data
