// A fixed table of names, none of which is ever looked up or run: each has a function of ours that
// makes plain data from the arguments, or nullptr where they do not fit.
#include "src/weights/pickle_globals.h"

#include <array>

#include "src/weights/pickle_literals.h"
#include "src/weights/pickle_numpy.h"
#include "src/weights/pickle_tensors.h"
#include "src/weights/torch_types.h"

namespace vim::weights {
namespace {

using Items = std::vector<const PickleValue*>;

bool is_sequence(const PickleValue& value) {
  return value.is(PickleKind::kList) || value.is(PickleKind::kTuple) || value.is(PickleKind::kSet);
}

// A list, tuple or set from none or one of them.
PickleValue* make_sequence(PickleArena& arena, const Items& args, PickleKind kind) {
  if (args.empty()) {
    return arena.add(kind);
  }
  if (args.size() != 1 || !is_sequence(*args[0])) {
    return nullptr;
  }
  return arena.add_items(kind, args[0]->items);
}

PickleValue* make_list(PickleArena& arena, const Items& args) {
  return make_sequence(arena, args, PickleKind::kList);
}

PickleValue* make_tuple(PickleArena& arena, const Items& args) {
  return make_sequence(arena, args, PickleKind::kTuple);
}

PickleValue* make_set(PickleArena& arena, const Items& args) {
  return make_sequence(arena, args, PickleKind::kSet);
}

// A dict from nothing, from another dict, or from a list of pairs.
PickleValue* make_dict(PickleArena& arena, const Items& args) {
  if (args.size() > 1) {
    return nullptr;
  }
  PickleValue* dict = arena.add(PickleKind::kDict);
  if (args.empty()) {
    return dict;
  }
  arena.charge(args[0]->items.size() + args[0]->pairs.size());
  dict->pairs = args[0]->pairs;
  for (const PickleValue* pair : args[0]->items) {
    if (!is_sequence(*pair) || pair->items.size() != 2) {
      return nullptr;
    }
    dict->pairs.emplace_back(pair->items[0], pair->items[1]);
  }
  return args[0]->is(PickleKind::kDict) || is_sequence(*args[0]) ? dict : nullptr;
}

// collections.defaultdict(factory): the factory is left out.
PickleValue* make_default_dict(PickleArena& arena, const Items& args) {
  return args.size() <= 1 ? arena.add(PickleKind::kDict) : nullptr;
}

// Bytes of a text, by _codecs.encode(text, encoding): how protocol 2 stores bytes.
PickleValue* encode_text(PickleArena& arena, const Items& args) {
  const bool is_text = !args.empty() && args[0]->is(PickleKind::kString);
  if (!is_text) {
    return nullptr;
  }
  const std::string encoding = args.size() > 1 ? args[1]->text : "utf-8";
  if (encoding == "utf-8" || encoding == "utf8") {
    return arena.add_text(PickleKind::kBytes, args[0]->text);
  }
  std::string bytes;
  const bool is_latin1 =
      (encoding == "latin1" || encoding == "latin-1") && to_latin1(args[0]->text, bytes);
  return is_latin1 ? arena.add_text(PickleKind::kBytes, bytes) : nullptr;
}

PickleValue* make_bytes(PickleArena& arena, const Items& args) {
  if (args.empty()) {
    return arena.add(PickleKind::kBytes);
  }
  if (args.size() == 1 && args[0]->is(PickleKind::kBytes)) {
    return arena.add_text(PickleKind::kBytes, args[0]->text);
  }
  return encode_text(arena, args);
}

// torch.device("cuda", 0) as "cuda:0".
PickleValue* make_device(PickleArena& arena, const Items& args) {
  if (args.empty() || !args[0]->is(PickleKind::kString)) {
    return nullptr;
  }
  std::string text = args[0]->text;
  if (args.size() > 1 && args[1]->is(PickleKind::kInt)) {
    text.append(":").append(std::to_string(args[1]->integer));
  }
  return arena.add_text(PickleKind::kString, text);
}

// copyreg._reconstructor(class, base, value): an object of the class.
PickleValue* reconstruct(PickleArena& arena, const Items& args) {
  const bool is_plain = args.size() == 3 && args[0]->is(PickleKind::kGlobal);
  return is_plain ? arena.add_opaque(args[0]->text, nullptr) : nullptr;
}

struct Row {
  std::string_view name;
  PickleValue* (*make)(PickleArena& arena, const Items& args);
};

constexpr std::array kRows = {
    Row{"collections.OrderedDict", make_dict},
    Row{"collections.Counter", make_dict},
    Row{"collections.defaultdict", make_default_dict},
    Row{"builtins.dict", make_dict},
    Row{"builtins.list", make_list},
    Row{"builtins.tuple", make_tuple},
    Row{"builtins.set", make_set},
    Row{"builtins.frozenset", make_set},
    Row{"builtins.bytearray", make_bytes},
    Row{"builtins.bytes", make_bytes},
    Row{"_codecs.encode", encode_text},
    Row{"copyreg._reconstructor", reconstruct},
    Row{"torch.Size", make_tuple},
    Row{"torch.device", make_device},
    Row{"torch._utils._rebuild_tensor", rebuild_tensor},
    Row{"torch._utils._rebuild_tensor_v2", rebuild_tensor},
    Row{"torch._utils._rebuild_tensor_v3", rebuild_tensor_v3},
    Row{"torch._utils._rebuild_parameter", rebuild_parameter},
    Row{"torch._utils._rebuild_parameter_with_state", rebuild_parameter},
    Row{"torch._tensor._rebuild_from_type_v2", rebuild_from_type},
    Row{"numpy.core.multiarray.scalar", numpy_scalar},
    Row{"numpy._core.multiarray.scalar", numpy_scalar},
};

// Python 2 called two modules otherwise.
std::string current_name(const std::string& name) {
  constexpr std::pair<std::string_view, std::string_view> kRenamed[] = {
      {"__builtin__.", "builtins."}, {"copy_reg.", "copyreg."}};
  for (const auto& [before, now] : kRenamed) {
    if (name.starts_with(before)) {
      return std::string(now) + name.substr(before.size());
    }
  }
  return name;
}

}  // namespace

PickleValue* call_global(PickleArena& arena, const PickleValue& callable, const PickleValue& args) {
  if (!callable.is(PickleKind::kGlobal) && !callable.is(PickleKind::kOpaque)) {
    arena.fail("a call of something that is no name");
  }
  if (!args.is(PickleKind::kTuple)) {
    arena.fail("a call whose arguments are no tuple");
  }
  if (callable.is(PickleKind::kGlobal)) {
    const std::string name = current_name(callable.text);
    for (const Row& row : kRows) {
      PickleValue* made = row.name == name ? row.make(arena, args.items) : nullptr;
      if (made != nullptr) {
        return made;
      }
    }
  }
  return arena.add_opaque(callable.text, &args);
}

}  // namespace vim::weights
