// The numbers and texts of pickles that need decoding. Internal to this folder.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "src/weights/pickle_arena.h"

namespace vim::weights {

/// An integer from its two's complement, lowest byte first; none is zero.
PickleValue* add_long(PickleArena& arena, std::span<const std::byte> bytes);

/// An integer from decimal digits, as protocol 0 writes them; "00" and "01" are False and True, a
/// trailing L is passed over.
PickleValue* add_decimal(PickleArena& arena, std::string_view digits);

/// A number from its decimal text.
PickleValue* add_real(PickleArena& arena, std::string_view text);

/// The double in eight bytes, highest first.
double big_endian_real(std::span<const std::byte> bytes);

/// A text in Python's quotes, with its escapes undone.
PickleValue* add_quoted(PickleArena& arena, std::string_view quoted);

/// A text in Python's "raw-unicode-escape": Latin-1 where \u and \U escapes stand for the rest.
PickleValue* add_raw_unicode(PickleArena& arena, std::string_view raw);

/// UTF-8 with code points up to 255 only, as single bytes; false if there is any other.
bool to_latin1(std::string_view utf8, std::string& bytes);

}  // namespace vim::weights
