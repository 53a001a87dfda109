// NumPy's scalars in pickles. Internal to this folder.
#pragma once

#include <vector>

#include "src/weights/pickle_arena.h"

namespace vim::weights {

/// The number in (dtype, bytes); nullptr where it is big-endian or of a type other than a truth
/// value, an integer or a real number of 16, 32 or 64 bits.
PickleValue* numpy_scalar(PickleArena& arena, const std::vector<const PickleValue*>& args);

}  // namespace vim::weights
