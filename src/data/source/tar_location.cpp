// Hidden files in a folder of tar files are passed over: its index is one.
#include "src/data/source/tar_location.h"

#include <fmt/format.h>
#include <fnmatch.h>

#include <algorithm>
#include <system_error>

#include "src/core/error.h"

namespace vim::data {
namespace {

namespace fs = std::filesystem;

constexpr char kTarEnding[] = ".tar";

bool is_tar_name(const std::string& name) { return name.ends_with(kTarEnding); }

fs::path folder_of(const fs::path& path) {
  return path.has_parent_path() ? path.parent_path() : fs::path(".");
}

// "a/b.tar:c/d" is ("a/b.tar", "c/d").
std::pair<std::string, std::string> split_inner(const std::string& path) {
  const size_t at = path.find(".tar:");
  if (at == std::string::npos) {
    return {path, ""};
  }
  const size_t end = at + std::string_view(kTarEnding).size();
  return {path.substr(0, end), path.substr(end + 1)};
}

// The entries know whether they are folders without a further look at each.
std::vector<fs::directory_entry> list_visible(const fs::path& folder, const std::string& path) {
  std::vector<fs::directory_entry> entries;
  std::error_code error;
  for (fs::directory_iterator item(folder, error), end; !error && item != end;
       item.increment(error)) {
    if (!item->path().filename().string().starts_with('.')) {
      entries.push_back(*item);
    }
  }
  if (error) {
    throw Error(fmt::format(
        "{}: cannot be listed: {}; check the path and its permissions", path, error.message()));
  }
  std::sort(entries.begin(), entries.end());
  return entries;
}

TarLocation match_pattern(const fs::path& pattern) {
  TarLocation location{folder_of(pattern), {}, "", {}};
  std::string name = pattern.filename().string();
  for (const fs::directory_entry& entry : list_visible(location.folder, pattern.string())) {
    if (::fnmatch(name.c_str(), entry.path().filename().c_str(), 0) == 0) {
      location.files.push_back(entry.path());
    }
  }
  if (location.files.empty()) {
    throw Error(fmt::format("{}: no file matches; check the pattern", pattern.string()));
  }
  std::replace(name.begin(), name.end(), '*', '_');
  location.index = location.folder / (name + kIndexEnding);
  return location;
}

std::optional<TarLocation> list_shards(const fs::path& folder) {
  TarLocation location{folder, {}, "", folder / kIndexEnding};
  for (const fs::directory_entry& entry : list_visible(folder, folder.string())) {
    std::error_code ignored;
    if (entry.is_directory(ignored)) {
      return std::nullopt;
    }
    if (is_tar_name(entry.path().string())) {
      location.files.push_back(entry.path());
    }
  }
  return location.files.empty() ? std::nullopt : std::optional(location);
}

}  // namespace

std::optional<TarLocation> find_tar_files(const std::string& path) {
  const auto [file, inner] = split_inner(path);
  std::error_code ignored;
  std::optional<TarLocation> location;
  if (fs::is_directory(file, ignored)) {
    location = list_shards(file);
  } else if (fs::path(file).filename().string().find('*') != std::string::npos) {
    location = match_pattern(file);
  } else if (is_tar_name(file)) {
    if (!fs::is_regular_file(file, ignored)) {
      throw Error(fmt::format("{}: no such file; check data.path and data.val_path", file));
    }
    location = TarLocation{folder_of(file), {file}, "", file + kIndexEnding};
  }
  if (location && !inner.empty()) {
    location->inner = inner;
    std::string suffix = inner;
    std::replace(suffix.begin(), suffix.end(), '/', '-');
    location->index.replace_extension("." + suffix + kIndexEnding);
  }
  return location;
}

}  // namespace vim::data
