// The values of a pickle while it is being read, with the budget that bounds them. Internal to this
// folder.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "src/weights/pickle_value.h"

namespace vim::weights {

/// Owns the growing tree. Every value and every copy is charged against one budget, so that no
/// input takes memory or time out of proportion.
class PickleArena {
 public:
  /// `where` stands in errors and must outlive this object.
  explicit PickleArena(const std::string& where) : where_(&where) {}

  /// A new value of that kind. Throws vim::Error where the budget is spent.
  PickleValue* add(PickleKind kind);
  PickleValue* add_text(PickleKind kind, std::string_view text);
  PickleValue* add_int(int64_t value);

  /// A tuple or list of these.
  PickleValue* add_items(PickleKind kind, std::vector<const PickleValue*> items);

  /// What a call of `callable` would make.
  PickleValue* add_opaque(std::string_view callable, const PickleValue* args);

  /// Accounts for work or memory of about `units` values.
  void charge(uint64_t units);

  /// Notes a storage that the pickle names; a second mention must agree with the first.
  void note_storage(const TorchStorage& storage);

  /// Where reading stands, for errors.
  void set_position(size_t position) { position_ = position; }

  /// Throws vim::Error: `where: byte N: what; the file is damaged...`.
  [[noreturn]] void fail(const std::string& what) const;

  /// Hands the tree over.
  Pickle finish(const PickleValue* root, size_t size);

 private:
  Pickle pickle_;
  const std::string* where_;
  size_t position_ = 0;
  uint64_t spent_ = 0;
};

}  // namespace vim::weights
