// From the arguments of PyTorch's rebuild functions to checked descriptions.
#include "src/weights/pickle_tensors.h"

#include <algorithm>

#include "src/weights/safetensors_header.h"
#include "src/weights/torch_types.h"

namespace vim::weights {
namespace {

using Items = std::vector<const PickleValue*>;

bool read_extents(const PickleValue& value, std::vector<int64_t>& extents) {
  if (!value.is(PickleKind::kTuple) && !value.is(PickleKind::kList)) {
    return false;
  }
  for (const PickleValue* item : value.items) {
    if (!item->is(PickleKind::kInt)) {
      return false;
    }
    extents.push_back(item->integer);
  }
  return true;
}

// The bits "conj" and "neg" say that the elements are not what the storage holds.
bool is_flagged(const PickleValue& metadata) {
  return std::any_of(metadata.pairs.begin(), metadata.pairs.end(), [](const auto& pair) {
    return pair.second->integer != 0;
  });
}

PickleValue* make_tensor(
    PickleArena& arena, const Items& args, std::optional<TensorType> type, size_t metadata) {
  auto tensor = std::make_shared<TorchTensor>();
  const bool fits = args[1]->is(PickleKind::kInt) && read_extents(*args[2], tensor->shape) &&
                    read_extents(*args[3], tensor->strides);
  if (!fits) {
    return nullptr;
  }
  if (args.size() > metadata && is_flagged(*args[metadata])) {
    return arena.add_opaque("torch.Tensor (a negated or conjugated view)", nullptr);
  }
  if (!type) {
    return arena.add_opaque("torch.Tensor over " + args[0]->storage->class_name, nullptr);
  }
  tensor->type = *type;
  tensor->storage = args[0]->storage;
  tensor->offset = args[1]->integer;
  const std::string fault = find_fault(*tensor);
  if (!fault.empty()) {
    arena.fail("a tensor over storage " + printable(tensor->storage->key) + " " + fault);
  }
  arena.charge((tensor->shape.size() + 7) / 4);
  PickleValue* value = arena.add(PickleKind::kTensor);
  value->tensor = std::move(tensor);
  return value;
}

// ("storage", class, key, location, number of elements, view or None)
bool is_storage_id(const PickleValue& id) {
  return id.is(PickleKind::kTuple) && id.items.size() >= 5 &&
         id.items[0]->is(PickleKind::kString) && id.items[0]->text == "storage" &&
         id.items[1]->is(PickleKind::kGlobal) && id.items[2]->is(PickleKind::kString) &&
         id.items[4]->is(PickleKind::kInt) && id.items[4]->integer >= 0;
}

// The view of an old file: (key of the view, first element, number of elements).
void apply_view(PickleArena& arena, const PickleValue& view, TorchStorage& storage) {
  if (view.is(PickleKind::kNone)) {
    return;
  }
  const bool fits = view.is(PickleKind::kTuple) && view.items.size() == 3 &&
                    view.items[1]->is(PickleKind::kInt) && view.items[2]->is(PickleKind::kInt);
  const int64_t begin = fits ? view.items[1]->integer : -1;
  const int64_t size = fits ? view.items[2]->integer : -1;
  const int64_t whole = storage.num_elements;
  if (begin < 0 || size < 0 || begin > whole || size > whole - begin) {
    arena.fail("a view beyond storage " + printable(storage.key));
  }
  storage.view_begin = begin;
  storage.view_size = size;
}

}  // namespace

PickleValue* rebuild_tensor(PickleArena& arena, const Items& args) {
  const bool fits = args.size() >= 4 && args[0]->is(PickleKind::kStorage);
  return fits ? make_tensor(arena, args, args[0]->storage->type, 6) : nullptr;
}

PickleValue* rebuild_tensor_v3(PickleArena& arena, const Items& args) {
  const bool fits =
      args.size() >= 7 && args[0]->is(PickleKind::kStorage) && args[6]->is(PickleKind::kGlobal);
  if (!fits) {
    return nullptr;
  }
  const std::optional<TensorType> type = type_of_dtype(args[6]->text);
  return type ? make_tensor(arena, args, type, 7)
              : arena.add_opaque("torch.Tensor of " + args[6]->text, nullptr);
}

PickleValue* rebuild_parameter(PickleArena& arena, const Items& args) {
  if (args.empty() || !args[0]->is(PickleKind::kTensor)) {
    return nullptr;
  }
  PickleValue* value = arena.add(PickleKind::kTensor);
  value->tensor = args[0]->tensor;
  return value;
}

PickleValue* rebuild_from_type(PickleArena& arena, const Items& args) {
  const bool fits =
      args.size() >= 3 && args[0]->is(PickleKind::kGlobal) && args[2]->is(PickleKind::kTuple);
  const std::string name = fits ? args[0]->text : "";
  if (name == "torch._utils._rebuild_tensor_v2") {
    return rebuild_tensor(arena, args[2]->items);
  }
  if (name == "torch._utils._rebuild_tensor_v3") {
    return rebuild_tensor_v3(arena, args[2]->items);
  }
  return nullptr;
}

PickleValue* load_persistent(PickleArena& arena, const PickleValue& id) {
  // Old files name the source of a class beside it: ("module", class, file, text).
  const bool is_module = id.is(PickleKind::kTuple) && id.items.size() >= 2 &&
                         id.items[0]->text == "module" && id.items[1]->is(PickleKind::kGlobal);
  if (is_module) {
    return arena.add_text(PickleKind::kGlobal, id.items[1]->text);
  }
  if (!is_storage_id(id) || !is_storage_class(id.items[1]->text)) {
    arena.fail("a persistent id that names no storage");
  }
  auto storage = std::make_shared<TorchStorage>();
  storage->class_name = id.items[1]->text;
  storage->key = id.items[2]->text;
  storage->type = type_of_storage(storage->class_name);
  storage->element_size = storage->type ? type_size(*storage->type) : 1;
  storage->num_elements = id.items[4]->integer;
  storage->view_size = storage->num_elements;
  if (static_cast<uint64_t>(storage->num_elements) > INT64_MAX / storage->element_size) {
    arena.fail("storage " + printable(storage->key) + " is too large");
  }
  arena.charge(storage->key.size() / 16 + 2);
  arena.note_storage(*storage);
  if (id.items.size() > 5) {
    apply_view(arena, *id.items[5], *storage);
  }
  PickleValue* value = arena.add(PickleKind::kStorage);
  value->storage = std::move(storage);
  return value;
}

}  // namespace vim::weights
