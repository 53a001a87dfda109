// Numbers as files hold them. Internal to this folder.
#pragma once

#include <cstdint>
#include <string>

namespace vim::weights {

/// Appends the lowest `size` bytes of the value, lowest first.
void append_number(std::string& bytes, uint64_t value, int size);

}  // namespace vim::weights
