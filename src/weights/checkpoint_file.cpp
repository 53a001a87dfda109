// Checksums on top of safetensors. The header's own checksum is computed over the text with its
// digits zeroed, so writing is: encode with zeros, hash, put the digits in place.
#include "src/weights/checkpoint_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "src/core/checksum.h"
#include "src/core/error.h"
#include "src/weights/safetensors_header.h"

namespace vim::weights {
namespace {

constexpr std::string_view kFormatKey = kCheckpointKeys[0];
constexpr std::string_view kChecksumsKey = kCheckpointKeys[1];
constexpr std::string_view kHeaderChecksumKey = kCheckpointKeys[2];
constexpr std::string_view kFormatFamily = "visionmamba-checkpoint-";
constexpr std::string_view kNoChecksum = "0000000000000000";

[[noreturn]] void fail(const std::string& file_name, const std::string& what) {
  throw Error(file_name + ": " + what + "; the file is damaged, use an earlier checkpoint");
}

std::string checksum(std::span<const std::byte> bytes) {
  return core::to_hex(core::xxh3_64(bytes));
}

std::string checksum(std::string_view text) {
  return checksum(std::as_bytes(std::span(text.data(), text.size())));
}

// Where the digits of the header's checksum stand, or npos. Inside a JSON string the quotes would
// be escaped, so the pattern can only match the key itself.
size_t find_digits(std::string_view header) {
  const std::string pattern = fmt::format("\"{}\":\"", kHeaderChecksumKey);
  const size_t start = header.find(pattern);
  const size_t digits = start + pattern.size();
  if (start == std::string_view::npos || header.size() - digits < kNoChecksum.size()) {
    return std::string_view::npos;
  }
  return digits;
}

void verify_header(const SafetensorsFile& file) {
  std::string header(file.header_text());
  const size_t digits = find_digits(header);
  if (digits == std::string::npos) {
    fail(file.name(), "the header carries no checksum");
  }
  const std::string stored = header.substr(digits, kNoChecksum.size());
  header.replace(digits, kNoChecksum.size(), kNoChecksum);
  if (checksum(header) != stored) {
    fail(file.name(), "the header does not match its checksum");
  }
}

std::string json_checksums(const std::vector<TensorToWrite>& tensors) {
  nlohmann::json checksums = nlohmann::json::object();
  for (const TensorToWrite& tensor : tensors) {
    checksums[tensor.name] = checksum(tensor.data);
  }
  return checksums.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

// Verified after the header, so whatever is wrong here was written so; it still must not crash.
void verify_tensors(const SafetensorsFile& file) {
  const auto stored = file.metadata().find(std::string(kChecksumsKey));
  if (stored == file.metadata().end()) {
    fail(file.name(), "the tensors carry no checksums");
  }
  const nlohmann::json checksums = nlohmann::json::parse(stored->second, nullptr, false);
  if (!checksums.is_object() || checksums.size() != file.tensors().size()) {
    fail(file.name(), "the list of checksums does not fit the tensors");
  }
  for (const TensorInfo& tensor : file.tensors()) {
    const auto entry = checksums.find(tensor.name);
    const bool is_equal = entry != checksums.end() && entry->is_string() &&
                          entry->get_ref<const std::string&>() == checksum(file.data(tensor));
    if (!is_equal) {
      fail(file.name(), "tensor \"" + printable(tensor.name) + "\" does not match its checksum");
    }
  }
}

}  // namespace

void write_checkpoint(
    const std::filesystem::path& path,
    const std::vector<TensorToWrite>& tensors,
    const std::map<std::string, std::string>& metadata) {
  const std::vector<TensorToWrite> sorted = storage_order(tensors);
  std::map<std::string, std::string> texts = metadata;
  const std::pair<std::string_view, std::string> own_texts[] = {
      {kFormatKey, std::string(kCheckpointFormat)},
      {kChecksumsKey, json_checksums(sorted)},
      {kHeaderChecksumKey, std::string(kNoChecksum)}};
  for (const auto& [key, text] : own_texts) {
    if (!texts.emplace(key, text).second) {
      throw std::invalid_argument(
          fmt::format("write_checkpoint: the metadata key \"{}\" is reserved", key));
    }
  }
  std::string header = encode_header(sorted, texts, path.string());
  header.replace(find_digits(header), kNoChecksum.size(), checksum(header));
  write_encoded(path, header, sorted);
}

SafetensorsFile verify_checkpoint(SafetensorsFile file) {
  if (!is_checkpoint(file)) {
    throw Error(
        file.name() +
        ": not a Vision Mamba checkpoint (no \"format\" in its metadata); give a file "
        "written by vim_train, or convert it with vim_convert");
  }
  verify_header(file);
  const std::string& format = file.metadata().at(std::string(kFormatKey));
  if (format != kCheckpointFormat) {
    throw Error(fmt::format(
        "{}: its format is \"{}\", this program reads \"{}\"; use the version that wrote it",
        file.name(),
        printable(format),
        kCheckpointFormat));
  }
  verify_tensors(file);
  return file;
}

SafetensorsFile read_checkpoint(const std::filesystem::path& path) {
  return verify_checkpoint(SafetensorsFile::open(path));
}

SafetensorsFile parse_checkpoint(std::span<const std::byte> bytes, std::string_view name) {
  return verify_checkpoint(SafetensorsFile::parse(bytes, name));
}

bool is_checkpoint(const SafetensorsFile& file) {
  const auto format = file.metadata().find(std::string(kFormatKey));
  return format != file.metadata().end() && format->second.starts_with(kFormatFamily);
}

std::string checkpoint_name(int64_t step) {
  if (step < 0) {
    throw std::invalid_argument(fmt::format("checkpoint_name: step must be >= 0, got {}", step));
  }
  return fmt::format("step_{:08}.safetensors", step);
}

int64_t checkpoint_step(const std::filesystem::path& path) {
  constexpr std::string_view kPrefix = "step_";
  const std::string name = path.filename().string();
  const std::string digits =
      name.starts_with(kPrefix) ? path.stem().string().substr(kPrefix.size()) : "";
  const bool is_number =
      !digits.empty() && digits.size() <= 18 &&
      std::all_of(digits.begin(), digits.end(), [](char c) { return c >= '0' && c <= '9'; });
  if (!is_number) {
    return -1;
  }
  const int64_t step = std::stoll(digits);
  return checkpoint_name(step) == name ? step : -1;
}

std::vector<std::filesystem::path> list_checkpoints(const std::filesystem::path& directory) try {
  std::vector<std::filesystem::path> paths;
  if (!std::filesystem::exists(directory)) {
    return paths;
  }
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    if (checkpoint_step(entry.path()) >= 0 && entry.is_regular_file()) {
      paths.push_back(entry.path());
    }
  }
  std::sort(paths.begin(), paths.end(), [](const auto& a, const auto& b) {
    return checkpoint_step(a) > checkpoint_step(b);
  });
  return paths;
} catch (const std::filesystem::filesystem_error& error) {
  throw Error(
      directory.string() + ": cannot list the folder: " + error.code().message() +
      "; check the path and its permissions");
}

}  // namespace vim::weights
