// What becomes of the names of code in a pickle. Internal to this folder.
#pragma once

#include "src/weights/pickle_arena.h"

namespace vim::weights {

/// What calling `callable` with the tuple `args` stands for: for the few names that this program
/// knows the plain value they would make, else an opaque value. Nothing is run. Throws vim::Error
/// where `callable` is neither a name nor an opaque value, or a tensor is described wrongly.
PickleValue* call_global(PickleArena& arena, const PickleValue& callable, const PickleValue& args);

}  // namespace vim::weights
