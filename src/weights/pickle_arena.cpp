// Values are small and uniform, so counting them bounds memory.
#include "src/weights/pickle_arena.h"

#include "src/core/error.h"
#include "src/weights/safetensors_header.h"

namespace vim::weights {
namespace {

constexpr uint64_t kMaxUnits = 4'000'000;
constexpr uint64_t kBytesPerUnit = 64;

}  // namespace

PickleValue* PickleArena::add(PickleKind kind) {
  charge(1);
  PickleValue& value = pickle_.values_.emplace_back();
  value.kind = kind;
  return &value;
}

PickleValue* PickleArena::add_text(PickleKind kind, std::string_view text) {
  charge(text.size() / kBytesPerUnit);
  PickleValue* value = add(kind);
  value->text = text;
  return value;
}

PickleValue* PickleArena::add_int(int64_t number) {
  PickleValue* value = add(PickleKind::kInt);
  value->integer = number;
  return value;
}

PickleValue* PickleArena::add_items(PickleKind kind, std::vector<const PickleValue*> items) {
  charge(items.size() * sizeof(void*) / kBytesPerUnit);
  PickleValue* value = add(kind);
  value->items = std::move(items);
  return value;
}

PickleValue* PickleArena::add_opaque(std::string_view callable, const PickleValue* args) {
  PickleValue* value = add_text(PickleKind::kOpaque, callable);
  value->args = args;
  return value;
}

void PickleArena::charge(uint64_t units) {
  spent_ += units;
  if (spent_ > kMaxUnits) {
    fail("holds more than " + std::to_string(kMaxUnits) + " values");
  }
}

void PickleArena::note_storage(const TorchStorage& storage) {
  const auto [noted, is_new] = pickle_.storages_.try_emplace(storage.key, storage);
  const TorchStorage& known = noted->second;
  if (known.class_name != storage.class_name || known.num_elements != storage.num_elements) {
    fail("storage " + printable(storage.key) + " is described in two ways");
  }
}

void PickleArena::fail(const std::string& what) const {
  throw Error(
      *where_ + ": byte " + std::to_string(position_) + ": " + what +
      "; the file is damaged or was not written by torch.save, fetch or write it again");
}

Pickle PickleArena::finish(const PickleValue* root, size_t size) {
  pickle_.root_ = root;
  pickle_.size_ = size;
  return std::move(pickle_);
}

}  // namespace vim::weights
