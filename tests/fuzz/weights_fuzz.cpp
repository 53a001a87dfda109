// Fuzz target: whatever the bytes, opening them as a weight file ends with sets whose every tensor
// can be read or is refused and with training state or none, or with vim::Error.
//
// Almost no mutation of a zip archive keeps its sizes and checksums right, so the fuzzer would not
// get past them. An input that begins with PICK is therefore packed here: the rest up to the first
// "DATA" is the object, and what follows is the contents of the storages "0" to "3".
#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>

#include "src/core/atomic_file.h"
#include "src/core/error.h"
#include "src/weights/official_checkpoint.h"
#include "src/weights/torch_file.h"
#include "src/weights/weight_file.h"
#include "src/weights/zip_writer.h"

namespace {

using vim::weights::WeightFile;

constexpr std::string_view kPacked = "PICK";
constexpr std::string_view kData = "DATA";

std::span<const std::byte> as_bytes(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

std::string pack(std::string_view input) {
  input.remove_prefix(kPacked.size());
  const size_t mark = input.find(kData);
  const std::string_view object = input.substr(0, mark);
  const std::string_view data =
      mark == std::string_view::npos ? "" : input.substr(mark + kData.size());
  std::string archive;
  const vim::core::WriteBytes write = [&archive](std::span<const std::byte> part) {
    archive.append(reinterpret_cast<const char*>(part.data()), part.size());
  };
  vim::weights::ZipWriter zip(write);
  zip.add("a/data.pkl", as_bytes(object));
  for (const char* name : {"a/data/0", "a/data/1", "a/data/2", "a/data/3"}) {
    zip.add(name, as_bytes(data));
  }
  zip.finish();
  return archive;
}

void touch(std::span<const std::byte> bytes) {
  unsigned sum = 0;
  for (const std::byte value : bytes) {
    sum += std::to_integer<unsigned>(value);
  }
  volatile unsigned sink = sum;
  static_cast<void>(sink);
}

// What the file shows must agree with itself.
void expect(bool is_true, const char* what) {
  if (!is_true) {
    throw std::logic_error(what);
  }
}

void read_set(const WeightFile& file, const std::string& set) {
  touch(as_bytes(file.stripped_prefix(set)));
  for (const vim::weights::WeightTensor& tensor : file.tensors(set)) {
    expect(file.find(set, tensor.name) == &tensor, "a tensor is not found under its name");
    uint64_t size = vim::weights::type_size(tensor.type);
    for (const int64_t extent : tensor.shape) {
      size *= static_cast<uint64_t>(extent);
    }
    const vim::weights::TensorBytes bytes = file.read(set, tensor);
    expect(bytes.view().size() == size, "a tensor's bytes do not fill its shape");
    touch(bytes);
  }
}

void read_everything(const WeightFile& file) {
  touch(as_bytes(vim::weights::format_name(file.format())));
  expect((file.torch() == nullptr) != (file.safetensors() == nullptr), "two files underneath");
  expect(file.metadata().size() < file.name().max_size(), "texts without end");
  for (const std::string& set : file.sets()) {
    read_set(file, set);
  }
  const auto state = vim::weights::read_official_state(file);
  if (!state) {
    return;
  }
  for (const auto& [index, moments] : state->moments) {
    touch(file.torch()->read(*moments.exp_avg));
    touch(file.torch()->read(*moments.exp_avg_sq));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::string packed = input.starts_with(kPacked) ? pack(input) : "";
  try {
    read_everything(WeightFile::parse(packed.empty() ? as_bytes(input) : as_bytes(packed), "x"));
  } catch (const vim::Error&) {
    return 0;  // the one way in which bad input may be refused
  }
  return 0;
}
