// Execution contexts with stacks of their own that change over by a call.
#pragma once

#include <cstddef>

namespace emulation {

/// One fiber. The context that calls switch_fiber first, on the OS thread's own stack, is a Fiber
/// without create_stack.
struct Fiber {
  void* stack_pointer = nullptr;  // while it is not running
  char* stack = nullptr;
  size_t stack_bytes = 0;
  void* fake_stack = nullptr;  // the address sanitizer's
};

/// Gives the fiber a stack between guard pages. Stacks live as long as the process.
void create_stack(Fiber& fiber);

/// Makes the fiber start in entry() at its next switch; whatever it was in is forgotten.
void reset_fiber(Fiber& fiber, void (*entry)());

/// Leaves `from`, the running fiber, for `to`; returns when something switches back.
void switch_fiber(Fiber& from, Fiber& to);

/// To be called first thing in a fiber's entry; `from` as the switch had it.
void enter_fiber(Fiber& from);

}  // namespace emulation
