// Bounds of the stack.
#include "src/weights/pickle_stack.h"

namespace vim::weights {
namespace {

constexpr size_t kMaxValues = 8'000'000;
constexpr size_t kMaxMarks = 1000;

}  // namespace

void PickleStack::push(PickleValue* value) {
  if (values_.size() >= kMaxValues) {
    arena_.fail("more than " + std::to_string(kMaxValues) + " values wait for their place");
  }
  values_.push_back(value);
}

PickleValue* PickleStack::top() const {
  if (height() == 0) {
    arena_.fail("a value is missing");
  }
  return values_.back();
}

PickleValue* PickleStack::pop() {
  PickleValue* value = top();
  values_.pop_back();
  return value;
}

PickleStack::Items PickleStack::pop_several(size_t count) {
  if (height() < count) {
    arena_.fail("a value is missing");
  }
  Items items(values_.end() - static_cast<std::ptrdiff_t>(count), values_.end());
  values_.resize(values_.size() - count);
  return items;
}

void PickleStack::mark() {
  if (marks_.size() >= kMaxMarks) {
    arena_.fail("nested deeper than " + std::to_string(kMaxMarks));
  }
  marks_.push_back(values_.size());
}

PickleStack::Items PickleStack::pop_mark() {
  if (marks_.empty()) {
    arena_.fail("a mark is missing");
  }
  Items items = pop_several(height());
  marks_.pop_back();
  return items;
}

void PickleStack::discard() {
  if (height() == 0) {
    pop_mark();
  } else {
    pop();
  }
}

void PickleStack::put(uint64_t index) {
  arena_.charge(1);
  memo_[index] = top();
}

void PickleStack::get(uint64_t index) {
  const auto found = memo_.find(index);
  if (found == memo_.end()) {
    arena_.fail("memo " + std::to_string(index) + " is empty");
  }
  push(found->second);
}

}  // namespace vim::weights
