// Whether the address sanitizer is on, and its interface.
#pragma once

#if defined(__SANITIZE_ADDRESS__)
#define VIM_EMULATION_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define VIM_EMULATION_ASAN 1
#endif
#endif

#ifdef VIM_EMULATION_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#else
#define ASAN_POISON_MEMORY_REGION(address, size) (static_cast<void>(address))
#define ASAN_UNPOISON_MEMORY_REGION(address, size) (static_cast<void>(address))
#endif
