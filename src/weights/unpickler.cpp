// The machine's loop, and the opcodes of numbers, texts, memo and stack.
#include "src/weights/unpickler.h"

#include "src/weights/pickle_literals.h"

namespace vim::weights {
namespace {

constexpr size_t kMaxPickleSize = 256U << 20U;
constexpr uint8_t kMaxProtocol = 5;

}  // namespace

Pickle Unpickler::run() {
  for (;;) {
    arena_.set_position(in_.position());
    const auto opcode = static_cast<Opcode>(in_.take_u8());
    if (opcode == Opcode::kStop) {
      return arena_.finish(stack_.pop(), in_.position());
    }
    step(opcode);
  }
}

void Unpickler::step(Opcode opcode) {
  const bool is_known = run_frame(opcode) || run_number(opcode) || run_text(opcode) ||
                        run_memo(opcode) || run_stack(opcode) || run_container(opcode) ||
                        run_growth(opcode) || run_object(opcode);
  if (!is_known) {
    arena_.fail("opcode " + std::to_string(static_cast<int>(opcode)) + " is not supported");
  }
}

bool Unpickler::run_frame(Opcode opcode) {
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

bool Unpickler::run_number(Opcode opcode) {
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

bool Unpickler::run_text(Opcode opcode) {
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

bool Unpickler::run_memo(Opcode opcode) {
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

bool Unpickler::run_stack(Opcode opcode) {
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

uint64_t Unpickler::memo_index() {
  const PickleValue* index = add_decimal(arena_, in_.take_line());
  const bool is_index = index->is(PickleKind::kInt) || index->is(PickleKind::kBool);
  if (!is_index || index->integer < 0) {
    arena_.fail("a memo index that is none");
  }
  return static_cast<uint64_t>(index->integer);
}

Pickle parse_pickle(std::span<const std::byte> bytes, const std::string& where) {
  const bool is_long = bytes.size() > kMaxPickleSize;
  return Unpickler(is_long ? bytes.first(kMaxPickleSize) : bytes, where).run();
}

}  // namespace vim::weights
