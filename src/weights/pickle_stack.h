// The stack of the pickle machine, with its marks and its memo. Internal to this folder.
#pragma once

#include <cstddef>
#include <cstdint>
#include <unordered_map>
#include <vector>

#include "src/weights/pickle_arena.h"

namespace vim::weights {

/// Values as a pickle arranges them. A mark starts a new stretch; nothing below the last mark is in
/// reach. Every function throws vim::Error, through the arena, where a value or mark is missing.
class PickleStack {
 public:
  using Items = std::vector<const PickleValue*>;

  explicit PickleStack(PickleArena& arena) : arena_(arena) {}

  void push(PickleValue* value);
  PickleValue* top() const;
  PickleValue* pop();

  /// The last `count` values, lowest first.
  Items pop_several(size_t count);

  void mark();

  /// The values above the last mark, which is taken away with them.
  Items pop_mark();

  /// Removes the last value or, where there is none above it, the last mark.
  void discard();

  /// Remembers the last value under an index, or under the next one.
  void put(uint64_t index);
  void put_next() { put(memo_.size()); }

  /// Pushes what was remembered.
  void get(uint64_t index);

 private:
  size_t height() const { return values_.size() - (marks_.empty() ? 0 : marks_.back()); }

  PickleArena& arena_;
  std::vector<PickleValue*> values_;
  std::vector<size_t> marks_;  // heights of the stack
  std::unordered_map<uint64_t, PickleValue*> memo_;
};

}  // namespace vim::weights
