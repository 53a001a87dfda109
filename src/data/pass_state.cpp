// A state file: a line with a checksum of all that follows, one each for what it is, purpose, data
// set and number of images, then what was found.
#include "src/data/pass_state.h"

#include <fmt/format.h>

#include <charconv>
#include <span>
#include <string_view>
#include <vector>

#include "src/core/atomic_file.h"
#include "src/core/checksum.h"
#include "src/core/error.h"
#include "src/data/source/read_file.h"

namespace vim::data {
namespace {

constexpr std::string_view kTitle = "vim_data state 1";

std::string hash_text(std::string_view text) {
  return core::to_hex(core::xxh3_64(std::as_bytes(std::span(text))));
}

// Cuts the first line off the text.
std::string take_line(std::string_view& text) {
  const size_t end = std::min(text.find('\n'), text.size());
  const std::string line(text.substr(0, end));
  text.remove_prefix(std::min(end + 1, text.size()));
  return line;
}

}  // namespace

std::string fingerprint(const Dataset& dataset) {
  std::string hash;
  for (int64_t i = 0; i < dataset.size(); ++i) {
    hash = hash_text(fmt::format("{} {} {}", hash, dataset.label(i), dataset.name(i)));
  }
  return fmt::format("{} {}", dataset.size(), hash);
}

void save_pass_state(const std::filesystem::path& path, const PassState& state) {
  const std::string body = fmt::format(
      "{}\n{}\n{}\n{}\n{}", kTitle, state.purpose, state.data_set, state.num_done, state.found);
  core::write_file_atomically(path, hash_text(body) + "\n" + body);
}

std::optional<PassState> load_pass_state(
    const std::filesystem::path& path, const std::string& purpose, const std::string& data_set) {
  if (!std::filesystem::exists(path)) {
    return std::nullopt;
  }
  const std::vector<uint8_t> bytes = read_file(path.string());
  std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const std::string hash = take_line(text);
  if (hash != hash_text(text) || take_line(text) != kTitle) {
    throw Error(fmt::format(
        "{}: is not a sound state of vim_data; remove it, or give another --state", path.string()));
  }
  PassState state;
  state.purpose = take_line(text);
  state.data_set = take_line(text);
  if (state.purpose != purpose || state.data_set != data_set) {
    throw Error(fmt::format(
        "{}: was left by {} over other images or with other options; remove it, or give another "
        "--state",
        path.string(),
        state.purpose));
  }
  const std::string count = take_line(text);
  std::from_chars(count.data(), count.data() + count.size(), state.num_done);
  state.found = text;
  return state;
}

}  // namespace vim::data
