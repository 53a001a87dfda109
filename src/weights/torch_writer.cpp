// The object as a pickle of protocol 2 without memo, then the storages.
#include "src/weights/torch_writer.h"

#include <nlohmann/json.hpp>
#include <set>
#include <stdexcept>

#include "src/core/atomic_file.h"
#include "src/core/error.h"
#include "src/weights/little_endian.h"
#include "src/weights/pickle_opcodes.h"
#include "src/weights/safetensors_header.h"
#include "src/weights/torch_types.h"
#include "src/weights/zip_writer.h"

namespace vim::weights {
namespace {

constexpr std::string_view kFolder = "archive/";
constexpr std::string_view kVersion = "3\n";

// Appends opcodes with their arguments.
class PickleWriter {
 public:
  PickleWriter() {
    op(Opcode::kProto);
    bytes_.push_back(2);
  }

  void op(Opcode opcode) { bytes_.push_back(static_cast<char>(opcode)); }

  void text(std::string_view value) {
    op(Opcode::kBinUnicode);
    append_number(bytes_, value.size(), 4);
    bytes_ += value;
  }

  void integer(int64_t value) {
    const bool is_short = value >= 0 && value <= INT32_MAX;
    op(is_short ? Opcode::kBinInt : Opcode::kLong1);
    if (!is_short) {
      bytes_.push_back(8);
    }
    append_number(bytes_, static_cast<uint64_t>(value), is_short ? 4 : 8);
  }

  // "torch._utils", "_rebuild_tensor_v2" from the two joined by a dot.
  void global(std::string_view name) {
    const size_t dot = name.rfind('.');
    op(Opcode::kGlobal);
    bytes_.append(name.substr(0, dot)).append("\n").append(name.substr(dot + 1)).append("\n");
  }

  void integers(const std::vector<int64_t>& values) {
    op(Opcode::kMark);
    for (const int64_t value : values) {
      integer(value);
    }
    op(Opcode::kTuple);
  }

  void empty_ordered_dict() {
    global("collections.OrderedDict");
    op(Opcode::kEmptyTuple);
    op(Opcode::kReduce);
  }

  std::string take() {
    op(Opcode::kStop);
    return std::move(bytes_);
  }

 private:
  std::string bytes_;
};

std::vector<int64_t> row_major_strides(const std::vector<int64_t>& shape) {
  std::vector<int64_t> strides(shape.size());
  int64_t stride = 1;
  for (size_t i = shape.size(); i-- > 0;) {
    strides[i] = stride;
    stride *= std::max<int64_t>(shape[i], 1);
  }
  return strides;
}

// ("storage", class, key, "cpu", number of elements); untyped storages count bytes.
void write_storage(PickleWriter& out, const TensorToWrite& tensor, size_t key) {
  const auto storage = storage_of(tensor.type);
  const uint64_t element_size = storage ? type_size(tensor.type) : 1;
  out.op(Opcode::kMark);
  out.text("storage");
  out.global(storage ? *storage : "torch.storage.UntypedStorage");
  out.text(std::to_string(key));
  out.text("cpu");
  out.integer(static_cast<int64_t>(tensor.data.size() / element_size));
  out.op(Opcode::kTuple);
  out.op(Opcode::kBinPersId);
}

// A call of (storage, offset, shape, strides, requires_grad, hooks) and, over an untyped storage,
// the dtype.
void write_tensor(PickleWriter& out, const TensorToWrite& tensor, size_t key) {
  const bool has_storage_class = storage_of(tensor.type).has_value();
  out.global(
      has_storage_class ? "torch._utils._rebuild_tensor_v2" : "torch._utils._rebuild_tensor_v3");
  out.op(Opcode::kMark);
  write_storage(out, tensor, key);
  out.integer(0);
  out.integers(tensor.shape);
  out.integers(row_major_strides(tensor.shape));
  out.op(Opcode::kNewFalse);
  out.empty_ordered_dict();
  if (!has_storage_class) {
    out.global(dtype_of(tensor.type));
  }
  out.op(Opcode::kTuple);
  out.op(Opcode::kReduce);
}

// The dict of a set, whose storages are counted on from `key`.
void write_dict(PickleWriter& out, const std::vector<TensorToWrite>& tensors, size_t key) {
  out.empty_ordered_dict();
  out.op(Opcode::kMark);
  for (const TensorToWrite& tensor : tensors) {
    out.text(tensor.name);
    write_tensor(out, tensor, key++);
  }
  out.op(Opcode::kSetItems);
}

void write_texts(PickleWriter& out, const std::map<std::string, std::string>& texts) {
  out.op(Opcode::kEmptyDict);
  out.op(Opcode::kMark);
  for (const auto& [key, text] : texts) {
    out.text(key);
    out.text(text);
  }
  out.op(Opcode::kSetItems);
}

std::string encode_object(const TorchFileToWrite& contents) {
  PickleWriter out;
  if (contents.layout == TorchFileToWrite::Layout::kBareDict) {
    write_dict(out, contents.model, 0);
    return out.take();
  }
  out.op(Opcode::kEmptyDict);
  out.op(Opcode::kMark);
  out.text("model");
  write_dict(out, contents.model, 0);
  if (!contents.ema.empty()) {
    out.text("model_ema");
    write_dict(out, contents.ema, contents.model.size());
  }
  if (contents.epoch) {
    out.text("epoch");
    out.integer(*contents.epoch);
  }
  if (!contents.metadata.empty()) {
    out.text("metadata");
    write_texts(out, contents.metadata);
  }
  out.op(Opcode::kSetItems);
  return out.take();
}

void check_utf8(const std::string& text, const std::string& file_name) try {
  static_cast<void>(nlohmann::json(text).dump());
} catch (const nlohmann::json::type_error&) {
  throw Error(file_name + ": the text \"" + printable(text) + "\" is not UTF-8; rename it");
}

void check_set(const std::vector<TensorToWrite>& tensors, const std::string& file_name) {
  std::set<std::string_view> names;
  for (const TensorToWrite& tensor : tensors) {
    const uint64_t expected = tensor_bytes(tensor.type, tensor.shape);
    if (tensor.data.size() != expected || !names.insert(tensor.name).second) {
      throw std::invalid_argument(
          file_name + ": tensor \"" + printable(tensor.name) + "\": expected a new name and " +
          std::to_string(expected) + " bytes, got " + std::to_string(tensor.data.size()));
    }
    check_utf8(tensor.name, file_name);
  }
}

void check_contents(const TorchFileToWrite& contents, const std::string& file_name) {
  const bool has_entries =
      !contents.ema.empty() || contents.epoch.has_value() || !contents.metadata.empty();
  if (contents.layout == TorchFileToWrite::Layout::kBareDict && has_entries) {
    throw std::invalid_argument(file_name + ": a bare dict holds the model alone, got more");
  }
  for (const auto& [key, text] : contents.metadata) {
    check_utf8(key, file_name);
    check_utf8(text, file_name);
  }
  check_set(contents.model, file_name);
  check_set(contents.ema, file_name);
}

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

}  // namespace

void write_torch_file(const std::filesystem::path& path, const TorchFileToWrite& contents) {
  check_contents(contents, path.string());
  const std::string object = encode_object(contents);
  core::write_file_atomically(path, [&](const core::WriteBytes& write) {
    ZipWriter zip(write);
    const auto add = [&zip](std::string_view name, std::span<const std::byte> bytes) {
      zip.add(std::string(kFolder).append(name), bytes);
    };
    add("data.pkl", bytes_of(object));
    add("byteorder", bytes_of("little"));
    size_t key = 0;
    for (const auto* set : {&contents.model, &contents.ema}) {
      for (const TensorToWrite& tensor : *set) {
        add("data/" + std::to_string(key++), tensor.data);
      }
    }
    add("version", bytes_of(kVersion));
    zip.finish();
  });
}

}  // namespace vim::weights
