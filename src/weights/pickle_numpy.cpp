// A dtype is an opaque value: numpy.dtype("f8", ...) with the state (version, byte order, ...).
#include "src/weights/pickle_numpy.h"

#include <cmath>
#include <cstring>

namespace vim::weights {
namespace {

using Items = std::vector<const PickleValue*>;

// "f8" of a little-endian dtype, else "".
std::string dtype_code(const PickleValue& dtype) {
  const bool has_code = dtype.is(PickleKind::kOpaque) && dtype.text == "numpy.dtype" &&
                        dtype.args != nullptr && !dtype.args->items.empty() &&
                        dtype.args->items[0]->is(PickleKind::kString);
  if (!has_code) {
    return "";
  }
  const PickleValue* state = dtype.state;
  const bool has_order = state != nullptr && state->is(PickleKind::kTuple) &&
                         state->items.size() > 1 && state->items[1]->is(PickleKind::kString);
  const std::string order = has_order ? state->items[1]->text : "|";
  return order == ">" ? "" : dtype.args->items[0]->text;
}

template <typename T>
T copy_of(const std::string& bytes) {
  T value{};
  std::memcpy(&value, bytes.data(), sizeof(T));
  return value;
}

double half_value(uint16_t bits) {
  const int exponent = (bits >> 10) & 0x1F;
  const double fraction = (bits & 0x3FF) / 1024.0;
  double value =
      exponent == 0 ? std::ldexp(fraction, -14) : std::ldexp(1.0 + fraction, exponent - 15);
  if (exponent == 0x1F) {
    value = fraction == 0.0 ? HUGE_VAL : std::nan("");
  }
  return (bits & 0x8000) != 0 ? -value : value;
}

PickleValue* add_float(PickleArena& arena, const std::string& bytes) {
  PickleValue* value = arena.add(PickleKind::kFloat);
  switch (bytes.size()) {
    case 8:
      value->real = copy_of<double>(bytes);
      return value;
    case 4:
      value->real = copy_of<float>(bytes);
      return value;
    case 2:
      value->real = half_value(copy_of<uint16_t>(bytes));
      return value;
    default:
      return nullptr;
  }
}

PickleValue* add_integer(PickleArena& arena, const std::string& bytes, bool is_signed) {
  if (bytes.empty() || bytes.size() > 8) {
    return nullptr;
  }
  const bool is_negative = is_signed && (static_cast<unsigned char>(bytes.back()) & 0x80) != 0;
  uint64_t value = is_negative ? ~uint64_t{0} : 0;
  for (size_t i = bytes.size(); i-- > 0;) {
    value = (value << 8U) | static_cast<unsigned char>(bytes[i]);
  }
  const bool is_big = !is_signed && value > INT64_MAX;
  return is_big ? arena.add_text(PickleKind::kBigInt, std::to_string(value))
                : arena.add_int(static_cast<int64_t>(value));
}

}  // namespace

PickleValue* numpy_scalar(PickleArena& arena, const Items& args) {
  if (args.size() != 2 || !args[1]->is(PickleKind::kBytes)) {
    return nullptr;
  }
  const std::string code = dtype_code(*args[0]);
  const std::string& bytes = args[1]->text;
  if (code.size() != 2 || bytes.size() != static_cast<size_t>(code[1] - '0')) {
    return nullptr;
  }
  switch (code[0]) {
    case 'f':
      return add_float(arena, bytes);
    case 'i':
    case 'u':
      return add_integer(arena, bytes, code[0] == 'i');
    case 'b': {
      PickleValue* value = arena.add(PickleKind::kBool);
      value->integer = bytes[0] != 0 ? 1 : 0;
      return value;
    }
    default:
      return nullptr;
  }
}

}  // namespace vim::weights
