// What a pickle holds, as plain data. Nothing that a pickle names is ever looked up or run: where
// Python would call code, an opaque value keeps the name, the arguments and the state.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "src/weights/torch_tensor.h"

namespace vim::weights {

enum class PickleKind {
  kNone,
  kBool,
  kInt,
  kBigInt,  // beyond 64 bits
  kFloat,
  kString,
  kBytes,
  kList,
  kTuple,
  kDict,
  kSet,
  kTensor,
  kStorage,
  kGlobal,  // a name of code: a class, a function
  kOpaque,  // what a call of such a name would have made
};

/// A node of the value tree. Nodes may be shared and, if the file says so, contain themselves: walk
/// them to a limited depth only.
struct PickleValue {
  PickleKind kind = PickleKind::kNone;
  int64_t integer = 0;  // kInt; kBool as 0 or 1
  double real = 0.0;    // kFloat
  std::string text;     // kString, kBytes; kBigInt: decimal; kGlobal, kOpaque: the dotted name
  // kList, kTuple, kSet; what was appended to an opaque value.
  std::vector<const PickleValue*> items;
  // kDict, in order; what was set by key in an opaque value.
  std::vector<std::pair<const PickleValue*, const PickleValue*>> pairs;
  const PickleValue* args = nullptr;   // kOpaque: the tuple it was called with
  const PickleValue* state = nullptr;  // what its attributes were set from, or nullptr
  std::shared_ptr<const TorchTensor> tensor;
  std::shared_ptr<const TorchStorage> storage;

  bool is(PickleKind wanted) const { return kind == wanted; }

  /// The value under a text key of a dict, the last one if it appears twice; else nullptr.
  const PickleValue* find(std::string_view key) const;

  /// The dict of attributes of an opaque value such as argparse.Namespace, or nullptr.
  const PickleValue* attributes() const;

  /// The number in kBool, kInt or kFloat, or nothing.
  std::optional<double> number() const;
};

/// What the value is, for messages: "a text", "an object of posix.getcwd".
std::string describe(const PickleValue& value);

/// The value as Python would print it, a text without quotes; shortened to about 200 characters.
std::string short_text(const PickleValue& value);

/// All values of one pickle. Move-only; the values live as long as it does.
class Pickle {
 public:
  const PickleValue& root() const { return *root_; }

  /// Bytes from the first opcode to behind the last.
  size_t size() const { return size_; }

  /// Every storage that a persistent id names, by key; whole ones.
  const std::map<std::string, TorchStorage>& storages() const { return storages_; }

 private:
  friend class PickleArena;
  friend Pickle parse_pickle(std::span<const std::byte> bytes, const std::string& where);

  std::deque<PickleValue> values_;
  std::map<std::string, TorchStorage> storages_;
  const PickleValue* root_ = nullptr;
  size_t size_ = 0;
};

/// Reads one pickle of protocol 0 to 5 from the start of the bytes; more may follow. Takes memory
/// and time in proportion to the bytes and at most 4 million values. `where` names the bytes in
/// errors. Throws vim::Error.
Pickle parse_pickle(std::span<const std::byte> bytes, const std::string& where);

}  // namespace vim::weights
