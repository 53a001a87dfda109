// The opcodes of containers, and of objects, which become data.
#include "src/weights/pickle_globals.h"
#include "src/weights/pickle_tensors.h"
#include "src/weights/unpickler.h"

namespace vim::weights {

bool Unpickler::run_container(Opcode opcode) {
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

bool Unpickler::run_growth(Opcode opcode) {
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

bool Unpickler::run_object(Opcode opcode) {
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

void Unpickler::call_with(const PickleValue& callable, Items args) {
  stack_.push(
      call_global(arena_, callable, *arena_.add_items(PickleKind::kTuple, std::move(args))));
}

PickleValue* Unpickler::take_global() {
  const std::string_view module = in_.take_line();
  return name_of_code(module, in_.take_line());
}

PickleValue* Unpickler::name_of_code(std::string_view module, std::string_view name) {
  return arena_.add_text(PickleKind::kGlobal, std::string(module).append(".").append(name));
}

void Unpickler::append(const Items& items) {
  PickleValue* list = stack_.top();
  const bool fits =
      list->is(PickleKind::kList) || list->is(PickleKind::kSet) || list->is(PickleKind::kOpaque);
  if (!fits) {
    arena_.fail("something is appended to " + describe(*list));
  }
  list->items.insert(list->items.end(), items.begin(), items.end());
}

void Unpickler::set_items(const Items& items) {
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

}  // namespace vim::weights
