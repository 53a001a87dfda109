// The sets are found once, when the file is opened.
#include "src/weights/weight_file.h"

#include <optional>
#include <stdexcept>

#include "src/core/error.h"
#include "src/core/mapped_file.h"
#include "src/weights/checkpoint_file.h"
#include "src/weights/file_kind.h"
#include "src/weights/safetensors.h"
#include "src/weights/safetensors_header.h"
#include "src/weights/torch_file.h"
#include "src/weights/weight_sets.h"

namespace vim::weights {
namespace {

// The texts that write_torch_file puts beside the weights.
std::map<std::string, std::string> find_texts(const PickleValue& root) {
  std::map<std::string, std::string> texts;
  const PickleValue* dict = root.find("metadata");
  if (dict == nullptr || !dict->is(PickleKind::kDict)) {
    return texts;
  }
  for (const auto& [key, value] : dict->pairs) {
    if (key->is(PickleKind::kString) && value->is(PickleKind::kString)) {
      texts[key->text] = value->text;
    }
  }
  return texts;
}

}  // namespace

struct WeightFile::Contents {
  std::string name;
  Format format = Format::kSafetensors;
  std::optional<SafetensorsFile> safetensors;
  std::optional<TorchFile> torch;
  std::vector<WeightSet> sets;
  std::map<std::string, std::string> metadata;

  void take(SafetensorsFile file) {
    const bool is_ours = is_checkpoint(file);
    format = is_ours ? Format::kCheckpoint : Format::kSafetensors;
    safetensors = is_ours ? verify_checkpoint(std::move(file)) : std::move(file);
    sets = find_sets(*safetensors, is_ours);
    metadata = safetensors->metadata();
  }

  void take(TorchFile file) {
    format = file.is_zip() ? Format::kTorchZip : Format::kTorchLegacy;
    torch = std::move(file);
    sets = find_sets(*torch);
    metadata = find_texts(torch->root());
  }

  const WeightSet& set(const std::string& wanted) const {
    for (const WeightSet& candidate : sets) {
      if (candidate.name == wanted) {
        return candidate;
      }
    }
    throw Error(name + ": holds no " + printable(wanted) + " weights; drop --which");
  }
};

WeightFile::WeightFile(std::shared_ptr<const Contents> contents) : contents_(std::move(contents)) {}

WeightFile WeightFile::open(const std::filesystem::path& path) {
  auto contents = std::make_shared<Contents>();
  contents->name = path.string();
  // Only to see what it is; the readers below map it for themselves.
  const FileKind kind = [&path] {
    const core::MappedFile mapping(path);
    const FileKind found = recognise_kind(mapping.bytes());
    if (found == FileKind::kOther) {
      refuse_kind(mapping.bytes(), path.string());
    }
    return found;
  }();
  if (kind == FileKind::kSafetensors) {
    contents->take(SafetensorsFile::open(path));
  } else {
    contents->take(TorchFile::open(path));
  }
  return WeightFile(std::move(contents));
}

WeightFile WeightFile::parse(std::span<const std::byte> bytes, std::string_view name) {
  auto contents = std::make_shared<Contents>();
  contents->name = name;
  const FileKind kind = recognise_kind(bytes);
  if (kind == FileKind::kOther) {
    refuse_kind(bytes, contents->name);
  }
  if (kind == FileKind::kSafetensors) {
    contents->take(SafetensorsFile::parse(bytes, name));
  } else {
    contents->take(TorchFile::parse(bytes, name));
  }
  return WeightFile(std::move(contents));
}

WeightFile::Format WeightFile::format() const { return contents_->format; }

const std::string& WeightFile::name() const { return contents_->name; }

std::vector<std::string> WeightFile::sets() const {
  std::vector<std::string> names;
  for (const WeightSet& set : contents_->sets) {
    names.push_back(set.name);
  }
  return names;
}

const std::vector<WeightTensor>& WeightFile::tensors(const std::string& set) const {
  return contents_->set(set).tensors;
}

const WeightTensor* WeightFile::find(const std::string& set, std::string_view name) const {
  const WeightSet& found = contents_->set(set);
  const auto place = found.index.find(std::string(name));
  return place == found.index.end() ? nullptr : &found.tensors[place->second];
}

const std::string& WeightFile::stripped_prefix(const std::string& set) const {
  return contents_->set(set).stripped_prefix;
}

TensorBytes WeightFile::read(const std::string& set, const WeightTensor& tensor) const {
  const WeightSet& found = contents_->set(set);
  const auto place = found.index.find(tensor.name);
  if (place == found.index.end()) {
    throw std::invalid_argument(
        name() + ": read: expected a tensor of the set " + set + ", got \"" +
        printable(tensor.name) + "\"");
  }
  if (contents_->safetensors) {
    return TensorBytes(contents_->safetensors->data(*found.stored[place->second]));
  }
  return contents_->torch->read(*found.torch[place->second]);
}

const std::map<std::string, std::string>& WeightFile::metadata() const {
  return contents_->metadata;
}

const TorchFile* WeightFile::torch() const {
  return contents_->torch ? &*contents_->torch : nullptr;
}

const SafetensorsFile* WeightFile::safetensors() const {
  return contents_->safetensors ? &*contents_->safetensors : nullptr;
}

std::string_view format_name(WeightFile::Format format) {
  switch (format) {
    case WeightFile::Format::kSafetensors:
      return "safetensors";
    case WeightFile::Format::kCheckpoint:
      return "checkpoint";
    case WeightFile::Format::kTorchZip:
      return "torch.save (zip)";
    case WeightFile::Format::kTorchLegacy:
      return "torch.save (legacy)";
  }
  return "unknown";
}

}  // namespace vim::weights
