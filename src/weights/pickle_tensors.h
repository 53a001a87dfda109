// Storages and tensors in pickles of torch.save. Internal to this folder.
#pragma once

#include <vector>

#include "src/weights/pickle_arena.h"

namespace vim::weights {

/// The storage that a persistent id of torch.save names, or the object of an id of the other kind.
PickleValue* load_persistent(PickleArena& arena, const PickleValue& id);

/// A tensor from (storage, offset, shape, strides, ...); an opaque value that says why where the
/// element type has no counterpart here or the elements are stored negated or conjugated; nullptr
/// where the arguments do not fit. Throws vim::Error if the tensor does not fit its storage.
PickleValue* rebuild_tensor(PickleArena& arena, const std::vector<const PickleValue*>& args);

/// The same from (untyped storage, offset, shape, strides, requires_grad, hooks, dtype, ...).
PickleValue* rebuild_tensor_v3(PickleArena& arena, const std::vector<const PickleValue*>& args);

/// The tensor that is a parameter's first argument.
PickleValue* rebuild_parameter(PickleArena& arena, const std::vector<const PickleValue*>& args);

/// A tensor of a subclass or with attributes: (function, class, arguments, state).
PickleValue* rebuild_from_type(PickleArena& arena, const std::vector<const PickleValue*>& args);

}  // namespace vim::weights
