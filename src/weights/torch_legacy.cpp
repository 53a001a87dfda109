// In order: a magic number, the protocol version, facts about the machine, the object, the list of
// storage keys, and for each key the number of elements (8 bytes) with the elements behind it.
#include "src/weights/torch_legacy.h"

#include "src/core/error.h"
#include "src/weights/byte_cursor.h"
#include "src/weights/safetensors_header.h"
#include "src/weights/torch_types.h"

namespace vim::weights {
namespace {

constexpr std::string_view kMagicNumber = "119547037146038801333356";  // 0x1950a86a20f9469cfc6c
constexpr int64_t kProtocolVersion = 1001;

[[noreturn]] void fail(const std::string& file_name, const std::string& what) {
  throw Error(file_name + ": " + what + "; the file is damaged, fetch or write it again");
}

// The pickle at the cursor, which goes behind it.
Pickle take_pickle(ByteCursor& cursor, std::span<const std::byte> bytes, const std::string& where) {
  Pickle pickle = parse_pickle(bytes.subspan(cursor.position()), where);
  cursor.seek(cursor.position() + pickle.size());
  return pickle;
}

void check_preamble(
    ByteCursor& cursor, std::span<const std::byte> bytes, const std::string& file_name) {
  const Pickle magic = take_pickle(cursor, bytes, file_name + ": magic number");
  if (!magic.root().is(PickleKind::kBigInt) || magic.root().text != kMagicNumber) {
    fail(file_name, "the magic number of torch.save is wrong");
  }
  const Pickle version = take_pickle(cursor, bytes, file_name + ": version");
  if (!version.root().is(PickleKind::kInt) || version.root().integer != kProtocolVersion) {
    fail(file_name, "the version is not " + std::to_string(kProtocolVersion));
  }
  const Pickle machine = take_pickle(cursor, bytes, file_name + ": facts about the machine");
  const PickleValue* is_little = machine.root().find("little_endian");
  if (is_little != nullptr && is_little->is(PickleKind::kBool) && is_little->integer == 0) {
    throw Error(
        file_name +
        ": written by a big-endian machine, which is not read; save it again on a little-endian "
        "one");
  }
}

}  // namespace

TorchLegacy read_torch_legacy(std::span<const std::byte> bytes, const std::string& file_name) {
  ByteCursor cursor(bytes, file_name);
  check_preamble(cursor, bytes, file_name);
  TorchLegacy legacy{take_pickle(cursor, bytes, file_name + ": object"), {}};
  const Pickle keys = take_pickle(cursor, bytes, file_name + ": storage keys");
  for (const PickleValue* key : keys.root().items) {
    const auto storage = legacy.pickle.storages().find(key->text);
    if (!key->is(PickleKind::kString) || storage == legacy.pickle.storages().end()) {
      fail(file_name, "storage \"" + printable(key->text) + "\" belongs to no tensor");
    }
    const auto expected = static_cast<uint64_t>(storage->second.num_elements);
    if (!storage->second.type && !is_untyped_storage(storage->second.class_name)) {
      fail(
          file_name,
          "storage " + printable(key->text) + " is of " + printable(storage->second.class_name) +
              ", which is not supported");
    }
    if (cursor.take_u64() != expected) {
      fail(file_name, "storage " + printable(key->text) + " has not the size its tensors need");
    }
    const auto data = cursor.take(expected * storage->second.element_size);
    if (!legacy.storages.emplace(key->text, data).second) {
      fail(file_name, "storage " + printable(key->text) + " is stored twice");
    }
  }
  for (const auto& [key, storage] : legacy.pickle.storages()) {
    if (!legacy.storages.contains(key)) {
      fail(file_name, "storage " + printable(key) + " that tensors need is missing");
    }
  }
  return legacy;
}

}  // namespace vim::weights
