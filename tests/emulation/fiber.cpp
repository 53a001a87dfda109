// The switch saves the registers that a call preserves and exchanges the stack pointers: a few
// nanoseconds, where swapcontext makes two system calls.
#include "tests/emulation/fiber.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <new>

#include "tests/emulation/sanitizer.h"

extern "C" void vim_emulation_switch(void** save_to, void* load_from);

#if defined(__x86_64__)
asm(R"(
.text
.globl vim_emulation_switch
.type vim_emulation_switch, @function
vim_emulation_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size vim_emulation_switch, .-vim_emulation_switch
)");
constexpr int kReturnWord = 6;
constexpr int kFrameWords = 8;  // keeps the stack at 8 modulo 16, as after a call
#elif defined(__aarch64__)
asm(R"(
.text
.globl vim_emulation_switch
.type vim_emulation_switch, %function
vim_emulation_switch:
  sub sp, sp, #160
  stp x19, x20, [sp, #0]
  stp x21, x22, [sp, #16]
  stp x23, x24, [sp, #32]
  stp x25, x26, [sp, #48]
  stp x27, x28, [sp, #64]
  stp x29, x30, [sp, #80]
  stp d8, d9, [sp, #96]
  stp d10, d11, [sp, #112]
  stp d12, d13, [sp, #128]
  stp d14, d15, [sp, #144]
  mov x9, sp
  str x9, [x0]
  mov sp, x1
  ldp x19, x20, [sp, #0]
  ldp x21, x22, [sp, #16]
  ldp x23, x24, [sp, #32]
  ldp x25, x26, [sp, #48]
  ldp x27, x28, [sp, #64]
  ldp x29, x30, [sp, #80]
  ldp d8, d9, [sp, #96]
  ldp d10, d11, [sp, #112]
  ldp d12, d13, [sp, #128]
  ldp d14, d15, [sp, #144]
  add sp, sp, #160
  ret
.size vim_emulation_switch, .-vim_emulation_switch
)");
constexpr int kReturnWord = 11;
constexpr int kFrameWords = 20;
#else
#error "the emulation's fiber switch knows x86-64 and AArch64"
#endif

namespace emulation {
namespace {

#ifdef VIM_EMULATION_ASAN
constexpr size_t kStackBytes = 256 << 10;  // red zones make frames large
#else
constexpr size_t kStackBytes = 64 << 10;
#endif

}  // namespace

void create_stack(Fiber& fiber) {
  const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  void* memory = mmap(
      nullptr,
      kStackBytes + page,
      PROT_READ | PROT_WRITE,
      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
      -1,
      0);
  if (memory == MAP_FAILED || mprotect(memory, page, PROT_NONE) != 0) {
    throw std::bad_alloc();
  }
  fiber.stack = static_cast<char*>(memory) + page;
  fiber.stack_bytes = kStackBytes;
}

void reset_fiber(Fiber& fiber, void (*entry)()) {
#ifdef VIM_EMULATION_ASAN
  __asan_unpoison_memory_region(fiber.stack, fiber.stack_bytes);
  fiber.fake_stack = nullptr;
#endif
  auto* frame = reinterpret_cast<void**>(fiber.stack + fiber.stack_bytes) - kFrameWords;
  for (int i = 0; i < kFrameWords; ++i) {
    frame[i] = nullptr;
  }
  frame[kReturnWord] = reinterpret_cast<void*>(entry);
  fiber.stack_pointer = frame;
}

void switch_fiber(Fiber& from, Fiber& to) {
#ifdef VIM_EMULATION_ASAN
  __sanitizer_start_switch_fiber(&from.fake_stack, to.stack, to.stack_bytes);
#endif
  vim_emulation_switch(&from.stack_pointer, to.stack_pointer);
#ifdef VIM_EMULATION_ASAN
  __sanitizer_finish_switch_fiber(from.fake_stack, nullptr, nullptr);
#endif
}

void enter_fiber(Fiber& from) {
#ifdef VIM_EMULATION_ASAN
  const void* bottom = nullptr;
  size_t size = 0;
  __sanitizer_finish_switch_fiber(nullptr, &bottom, &size);
  if (from.stack == nullptr || from.stack_bytes == 0) {  // the OS thread's own stack
    from.stack = const_cast<char*>(static_cast<const char*>(bottom));
    from.stack_bytes = size;
  }
#else
  static_cast<void>(from);
#endif
}

}  // namespace emulation
