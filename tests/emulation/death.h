// For tests of what only a dying process shows: reports of the address sanitizer.
#pragma once

#include <functional>
#include <string>

namespace vim::tests {

bool has_address_sanitizer();

/// Runs f in a child process and returns what it wrote to stderr; "" if the child ended well.
std::string death_of(const std::function<void()>& f);

}  // namespace vim::tests
