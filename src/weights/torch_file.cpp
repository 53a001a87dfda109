// Two forms behind one door.
#include "src/weights/torch_file.h"

#include <optional>
#include <stdexcept>

#include "src/core/mapped_file.h"
#include "src/weights/file_kind.h"
#include "src/weights/torch_legacy.h"
#include "src/weights/torch_zip.h"

namespace vim::weights {

struct TorchFile::Contents {
  std::shared_ptr<const core::MappedFile> mapping;  // empty after parse()
  std::string name;
  std::optional<TorchZip> zip;
  std::optional<TorchLegacy> legacy;

  void read(std::span<const std::byte> bytes) {
    switch (recognise_kind(bytes)) {
      case FileKind::kTorchZip:
        zip = read_torch_zip(bytes, name);
        return;
      case FileKind::kTorchLegacy:
        legacy = read_torch_legacy(bytes, name);
        return;
      default:
        refuse_kind(bytes, name);
    }
  }

  const Pickle& pickle() const { return zip ? zip->pickle : legacy->pickle; }

  std::span<const std::byte> storage(const std::string& key) const {
    if (zip) {
      return zip->archive.data(*zip->storages.at(key));
    }
    return legacy->storages.at(key);
  }
};

TorchFile::TorchFile(std::shared_ptr<const Contents> contents) : contents_(std::move(contents)) {}

TorchFile TorchFile::open(const std::filesystem::path& path) {
  auto contents = std::make_shared<Contents>();
  contents->mapping = std::make_shared<const core::MappedFile>(path);
  contents->name = path.string();
  contents->read(contents->mapping->bytes());
  return TorchFile(std::move(contents));
}

TorchFile TorchFile::parse(std::span<const std::byte> bytes, std::string_view name) {
  auto contents = std::make_shared<Contents>();
  contents->name = name;
  contents->read(bytes);
  return TorchFile(std::move(contents));
}

bool TorchFile::is_zip() const { return contents_->zip.has_value(); }

const PickleValue& TorchFile::root() const { return contents_->pickle().root(); }

TensorBytes TorchFile::read(const TorchTensor& tensor) const {
  const TorchStorage& storage = *tensor.storage;
  const auto& known = contents_->pickle().storages();
  const auto found = known.find(storage.key);
  const bool is_ours = found != known.end() && found->second.class_name == storage.class_name &&
                       found->second.num_elements == storage.num_elements;
  if (!is_ours) {
    throw std::invalid_argument(name() + ": read: expected a tensor of this file");
  }
  return row_major(tensor, contents_->storage(storage.key));
}

const std::string& TorchFile::name() const { return contents_->name; }

}  // namespace vim::weights
