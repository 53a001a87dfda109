// The pickle machine: a stack, marks on it and a memo, as pickletools documents them for protocols
// 0 to 5. Internal to this folder; parse_pickle is its door.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "src/weights/byte_cursor.h"
#include "src/weights/pickle_arena.h"
#include "src/weights/pickle_opcodes.h"
#include "src/weights/pickle_stack.h"

namespace vim::weights {

/// Runs the opcodes of one pickle. Opcodes are grouped by what they make; the function of a group
/// returns false for an opcode that is not its own.
class Unpickler {
 public:
  /// Bytes and name are viewed, not copied.
  Unpickler(std::span<const std::byte> bytes, const std::string& where)
      : in_(bytes, where), arena_(where), stack_(arena_) {}

  /// Runs to the opcode STOP. Throws vim::Error. To be called once.
  Pickle run();

 private:
  using Items = PickleStack::Items;

  void step(Opcode opcode);
  bool run_frame(Opcode opcode);
  bool run_number(Opcode opcode);
  bool run_text(Opcode opcode);
  bool run_memo(Opcode opcode);
  bool run_stack(Opcode opcode);
  bool run_container(Opcode opcode);
  bool run_growth(Opcode opcode);
  bool run_object(Opcode opcode);

  uint64_t memo_index();
  void call_with(const PickleValue& callable, Items args);
  PickleValue* take_global();
  PickleValue* name_of_code(std::string_view module, std::string_view name);
  void append(const Items& items);
  void set_items(const Items& items);

  ByteCursor in_;
  PickleArena arena_;
  PickleStack stack_;
};

}  // namespace vim::weights
