// Entries lie in one folder of any name: data.pkl (the object), data/KEY (storages), byteorder and
// version.
#include "src/weights/torch_zip.h"

#include <string_view>

#include "src/core/error.h"
#include "src/weights/byte_cursor.h"
#include "src/weights/safetensors_header.h"
#include "src/weights/torch_types.h"

namespace vim::weights {
namespace {

constexpr std::string_view kObject = "data.pkl";
constexpr uint64_t kMaxVersion = 10;  // the highest that PyTorch itself knows

// The folder's name with its slash, or "" where the entries lie at the top.
std::string find_folder(const ZipArchive& archive, const std::string& file_name) {
  for (const ZipEntry& entry : archive.entries()) {
    const size_t slash = entry.name.find('/');
    const size_t length = slash == std::string::npos ? 0 : slash + 1;
    if (entry.name.substr(length) == kObject) {
      return entry.name.substr(0, length);
    }
  }
  throw Error(
      file_name +
      ": a zip archive without data.pkl, so torch.save did not write it; check the path");
}

// The text of a small entry without the white space at its end, or "".
std::string small_text(const ZipArchive& archive, const std::string& name) {
  const ZipEntry* entry = archive.find(name);
  if (entry == nullptr) {
    return "";
  }
  std::string text(as_text(archive.data(*entry)).substr(0, 32));
  text.erase(text.find_last_not_of(" \r\n") + 1);
  return text;
}

void check_form(const ZipArchive& archive, const std::string& folder, const std::string& name) {
  if (archive.find(folder + "constants.pkl") != nullptr) {
    throw Error(
        name +
        ": a TorchScript archive, which holds a program; save the model's state_dict() with "
        "torch.save");
  }
  const std::string order = small_text(archive, folder + "byteorder");
  if (!order.empty() && order != "little") {
    throw Error(
        name + ": its byte order is \"" + printable(order) +
        "\", only little is read; save it again on a little-endian machine");
  }
  const std::string version = small_text(archive, folder + "version");
  const bool is_number =
      version.size() <= 3 && version.find_first_not_of("0123456789") == std::string::npos;
  if (!version.empty() && (!is_number || std::stoull(version) > kMaxVersion)) {
    throw Error(
        name + ": its format version is \"" + printable(version) + "\", the highest known is " +
        std::to_string(kMaxVersion) + "; save it with an earlier PyTorch");
  }
}

const ZipEntry* find_storage(
    const ZipArchive& archive,
    const std::string& folder,
    const TorchStorage& storage,
    const std::string& file_name) {
  const ZipEntry* entry = archive.find(folder + "data/" + storage.key);
  if (entry == nullptr) {
    throw Error(
        file_name + ": the storage data/" + printable(storage.key) +
        " that tensors need is missing; the file is damaged, fetch or write it again");
  }
  const uint64_t expected = static_cast<uint64_t>(storage.num_elements) * storage.element_size;
  // Complex and quantised elements have no size here; nothing reads them.
  const bool has_size = storage.type || is_untyped_storage(storage.class_name);
  if (has_size && entry->size != expected) {
    throw Error(
        file_name + ": the storage data/" + printable(storage.key) + " holds " +
        std::to_string(entry->size) + " bytes, its tensors need " + std::to_string(expected) +
        "; the file is damaged, fetch or write it again");
  }
  return entry;
}

}  // namespace

TorchZip read_torch_zip(std::span<const std::byte> bytes, const std::string& file_name) {
  ZipArchive archive = ZipArchive::parse(bytes, file_name);
  const std::string folder = find_folder(archive, file_name);
  check_form(archive, folder, file_name);
  const ZipEntry* object = archive.find(folder + std::string(kObject));
  TorchZip zip{std::move(archive), Pickle(), {}};
  zip.pickle = parse_pickle(zip.archive.data(*object), file_name + ": data.pkl");
  for (const auto& [key, storage] : zip.pickle.storages()) {
    zip.storages.emplace(key, find_storage(zip.archive, folder, storage, file_name));
  }
  return zip;
}

}  // namespace vim::weights
