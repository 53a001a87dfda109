// The pickle machine: a stack, marks on it and a memo, as pickletools documents them for protocols
// 0 to 5. Opcodes are grouped by what they make; each group says whether the opcode was its own.
#include "src/weights/byte_cursor.h"
#include "src/weights/pickle_arena.h"
#include "src/weights/pickle_globals.h"
#include "src/weights/pickle_literals.h"
#include "src/weights/pickle_opcodes.h"
#include "src/weights/pickle_stack.h"
#include "src/weights/pickle_tensors.h"
#include "src/weights/pickle_value.h"

namespace vim::weights {
namespace {

constexpr size_t kMaxPickleSize = 256U << 20U;
constexpr uint8_t kMaxProtocol = 5;

using Items = PickleStack::Items;

class Unpickler {
 public:
  Unpickler(std::span<const std::byte> bytes, const std::string& where)
      : in_(bytes, where), arena_(where), stack_(arena_) {}

  Pickle run() {
    for (;;) {
      arena_.set_position(in_.position());
      const auto opcode = static_cast<Opcode>(in_.take_u8());
      if (opcode == Opcode::kStop) {
        return arena_.finish(stack_.pop(), in_.position());
      }
      step(opcode);
    }
  }

 private:
  void step(Opcode opcode) {
    const bool is_known = run_frame(opcode) || run_number(opcode) || run_text(opcode) ||
                          run_memo(opcode) || run_stack(opcode) || run_container(opcode) ||
                          run_growth(opcode) || run_object(opcode);
    if (!is_known) {
      arena_.fail("opcode " + std::to_string(static_cast<int>(opcode)) + " is not supported");
    }
  }

  // -- opcodes ----------------------------------------------------------------------------------
  bool run_frame(Opcode opcode) {
    switch (opcode) {
      case Opcode::kProto:
        if (in_.take_u8() > kMaxProtocol) {
          arena_.fail("a pickle protocol above 5");
        }
        return true;
      case Opcode::kFrame:
        if (in_.take_u64() > in_.left()) {
          arena_.fail("a frame beyond the end");
        }
        return true;
      default:
        return false;
    }
  }

  bool run_number(Opcode opcode) {
    switch (opcode) {
      case Opcode::kNone:
        stack_.push(arena_.add(PickleKind::kNone));
        return true;
      case Opcode::kNewTrue:
      case Opcode::kNewFalse:
        stack_.push(arena_.add(PickleKind::kBool));
        stack_.top()->integer = opcode == Opcode::kNewTrue ? 1 : 0;
        return true;
      case Opcode::kInt:
      case Opcode::kLong:
        stack_.push(add_decimal(arena_, in_.take_line()));
        return true;
      case Opcode::kBinInt:
        stack_.push(arena_.add_int(static_cast<int32_t>(in_.take_u32())));
        return true;
      case Opcode::kBinInt1:
        stack_.push(arena_.add_int(in_.take_u8()));
        return true;
      case Opcode::kBinInt2:
        stack_.push(arena_.add_int(in_.take_u16()));
        return true;
      case Opcode::kLong1:
        stack_.push(add_long(arena_, in_.take(in_.take_u8())));
        return true;
      case Opcode::kLong4:
        stack_.push(add_long(arena_, in_.take(in_.take_u32())));
        return true;
      case Opcode::kFloat:
        stack_.push(add_real(arena_, in_.take_line()));
        return true;
      case Opcode::kBinFloat:
        stack_.push(arena_.add(PickleKind::kFloat));
        stack_.top()->real = big_endian_real(in_.take(8));
        return true;
      default:
        return false;
    }
  }

  bool run_text(Opcode opcode) {
    switch (opcode) {
      case Opcode::kString:
        stack_.push(add_quoted(arena_, in_.take_line()));
        return true;
      case Opcode::kUnicode:
        stack_.push(add_raw_unicode(arena_, in_.take_line()));
        return true;
      case Opcode::kShortBinString:  // Python 2's texts
      case Opcode::kShortBinUnicode:
        stack_.push(arena_.add_text(PickleKind::kString, in_.take_text(in_.take_u8())));
        return true;
      case Opcode::kBinString:
      case Opcode::kBinUnicode:
        stack_.push(arena_.add_text(PickleKind::kString, in_.take_text(in_.take_u32())));
        return true;
      case Opcode::kBinUnicode8:
        stack_.push(arena_.add_text(PickleKind::kString, in_.take_text(in_.take_u64())));
        return true;
      case Opcode::kShortBinBytes:
        stack_.push(arena_.add_text(PickleKind::kBytes, in_.take_text(in_.take_u8())));
        return true;
      case Opcode::kBinBytes:
        stack_.push(arena_.add_text(PickleKind::kBytes, in_.take_text(in_.take_u32())));
        return true;
      case Opcode::kBinBytes8:
      case Opcode::kByteArray8:
        stack_.push(arena_.add_text(PickleKind::kBytes, in_.take_text(in_.take_u64())));
        return true;
      default:
        return false;
    }
  }

  bool run_memo(Opcode opcode) {
    switch (opcode) {
      case Opcode::kPut:
        stack_.put(memo_index());
        return true;
      case Opcode::kBinPut:
        stack_.put(in_.take_u8());
        return true;
      case Opcode::kLongBinPut:
        stack_.put(in_.take_u32());
        return true;
      case Opcode::kMemoize:
        stack_.put_next();
        return true;
      case Opcode::kGet:
        stack_.get(memo_index());
        return true;
      case Opcode::kBinGet:
        stack_.get(in_.take_u8());
        return true;
      case Opcode::kLongBinGet:
        stack_.get(in_.take_u32());
        return true;
      default:
        return false;
    }
  }

  bool run_stack(Opcode opcode) {
    switch (opcode) {
      case Opcode::kMark:
        stack_.mark();
        return true;
      case Opcode::kPop:
        stack_.discard();
        return true;
      case Opcode::kPopMark:
        stack_.pop_mark();
        return true;
      case Opcode::kDup:
        stack_.push(stack_.top());
        return true;
      default:
        return false;
    }
  }

  bool run_container(Opcode opcode) {
    switch (opcode) {
      case Opcode::kEmptyList:
        stack_.push(arena_.add(PickleKind::kList));
        return true;
      case Opcode::kEmptyTuple:
        stack_.push(arena_.add(PickleKind::kTuple));
        return true;
      case Opcode::kEmptyDict:
        stack_.push(arena_.add(PickleKind::kDict));
        return true;
      case Opcode::kEmptySet:
        stack_.push(arena_.add(PickleKind::kSet));
        return true;
      case Opcode::kList:
        stack_.push(arena_.add_items(PickleKind::kList, stack_.pop_mark()));
        return true;
      case Opcode::kTuple:
        stack_.push(arena_.add_items(PickleKind::kTuple, stack_.pop_mark()));
        return true;
      case Opcode::kTuple1:
      case Opcode::kTuple2:
      case Opcode::kTuple3:
        stack_.push(arena_.add_items(
            PickleKind::kTuple,
            stack_.pop_several(
                1 + static_cast<size_t>(opcode) - static_cast<size_t>(Opcode::kTuple1))));
        return true;
      case Opcode::kFrozenSet:
        stack_.push(arena_.add_items(PickleKind::kSet, stack_.pop_mark()));
        return true;
      case Opcode::kDict: {
        const Items items = stack_.pop_mark();
        stack_.push(arena_.add(PickleKind::kDict));
        set_items(items);
        return true;
      }
      default:
        return false;
    }
  }

  bool run_growth(Opcode opcode) {
    switch (opcode) {
      case Opcode::kAppend:
        append(stack_.pop_several(1));
        return true;
      case Opcode::kAppends:
      case Opcode::kAddItems:
        append(stack_.pop_mark());
        return true;
      case Opcode::kSetItem:
        set_items(stack_.pop_several(2));
        return true;
      case Opcode::kSetItems:
        set_items(stack_.pop_mark());
        return true;
      default:
        return false;
    }
  }

  bool run_object(Opcode opcode) {
    switch (opcode) {
      case Opcode::kGlobal:
        stack_.push(take_global());
        return true;
      case Opcode::kStackGlobal: {
        const Items names = stack_.pop_several(2);
        if (!names[0]->is(PickleKind::kString) || !names[1]->is(PickleKind::kString)) {
          arena_.fail("a name that is no text");
        }
        stack_.push(name_of_code(names[0]->text, names[1]->text));
        return true;
      }
      case Opcode::kReduce:
      case Opcode::kNewObj: {
        const Items parts = stack_.pop_several(2);
        stack_.push(call_global(arena_, *parts[0], *parts[1]));
        return true;
      }
      case Opcode::kNewObjEx: {
        const Items parts = stack_.pop_several(3);
        PickleValue* made = call_global(arena_, *parts[0], *parts[1]);
        arena_.charge(parts[2]->pairs.size());
        made->pairs.insert(made->pairs.end(), parts[2]->pairs.begin(), parts[2]->pairs.end());
        stack_.push(made);
        return true;
      }
      case Opcode::kInst: {
        const PickleValue* callable = take_global();
        call_with(*callable, stack_.pop_mark());
        return true;
      }
      case Opcode::kObj: {
        Items parts = stack_.pop_mark();
        if (parts.empty()) {
          arena_.fail("an object without a class");
        }
        const PickleValue* callable = parts.front();
        parts.erase(parts.begin());
        call_with(*callable, std::move(parts));
        return true;
      }
      case Opcode::kBuild: {
        const PickleValue* state = stack_.pop();
        stack_.top()->state = state;
        return true;
      }
      case Opcode::kBinPersId:
        stack_.push(load_persistent(arena_, *stack_.pop()));
        return true;
      default:
        return false;
    }
  }

  // -- their parts ------------------------------------------------------------------------------
  void call_with(const PickleValue& callable, Items args) {
    stack_.push(
        call_global(arena_, callable, *arena_.add_items(PickleKind::kTuple, std::move(args))));
  }

  PickleValue* take_global() {
    const std::string_view module = in_.take_line();
    return name_of_code(module, in_.take_line());
  }

  PickleValue* name_of_code(std::string_view module, std::string_view name) {
    return arena_.add_text(PickleKind::kGlobal, std::string(module).append(".").append(name));
  }

  uint64_t memo_index() {
    const PickleValue* index = add_decimal(arena_, in_.take_line());
    const bool is_index = index->is(PickleKind::kInt) || index->is(PickleKind::kBool);
    if (!is_index || index->integer < 0) {
      arena_.fail("a memo index that is none");
    }
    return static_cast<uint64_t>(index->integer);
  }

  void append(const Items& items) {
    PickleValue* list = stack_.top();
    const bool fits =
        list->is(PickleKind::kList) || list->is(PickleKind::kSet) || list->is(PickleKind::kOpaque);
    if (!fits) {
      arena_.fail("something is appended to " + describe(*list));
    }
    list->items.insert(list->items.end(), items.begin(), items.end());
  }

  void set_items(const Items& items) {
    PickleValue* dict = stack_.top();
    if (!dict->is(PickleKind::kDict) && !dict->is(PickleKind::kOpaque)) {
      arena_.fail("a key is set in " + describe(*dict));
    }
    if (items.size() % 2 != 0) {
      arena_.fail("a key without a value");
    }
    for (size_t i = 0; i < items.size(); i += 2) {
      dict->pairs.emplace_back(items[i], items[i + 1]);
    }
  }

  ByteCursor in_;
  PickleArena arena_;
  PickleStack stack_;
};

}  // namespace

Pickle parse_pickle(std::span<const std::byte> bytes, const std::string& where) {
  const bool is_long = bytes.size() > kMaxPickleSize;
  return Unpickler(is_long ? bytes.first(kMaxPickleSize) : bytes, where).run();
}

}  // namespace vim::weights
