// Size and time of all that an index depends on.
#include "src/data/source/indexed_set.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>

#include "src/core/error.h"
#include "src/data/source/image_folder.h"
#include "src/data/source/tar_location.h"

namespace vim::data {
namespace {

namespace fs = std::filesystem;

IndexSource stamp(const IndexedSet& set, SourceRole role, const fs::path& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) {
    throw Error(fmt::format(
        "{}: cannot be opened: {}; check the path", path.string(), std::strerror(errno)));
  }
  const fs::path relative = fs::absolute(path).lexically_normal().lexically_relative(
      fs::absolute(set.folder).lexically_normal());
  const int64_t seconds = status.st_mtim.tv_sec;
  return {
      role,
      relative.string(),
      static_cast<uint64_t>(status.st_size),
      seconds * 1'000'000'000 + status.st_mtim.tv_nsec};
}

// An index in the root changes the root's time, so its names count there; elsewhere a changed name
// shows in the time.
IndexSource stamp_folder(const IndexedSet& set, const std::string& folder) {
  if (folder.empty()) {
    return {SourceRole::kFolder, "", hash_of_names(set.folder), 0};
  }
  IndexSource source = stamp(set, SourceRole::kFolder, set.folder / folder);
  return {SourceRole::kFolder, folder, 0, source.mtime_ns};
}

// What does not depend on the layout.
IndexedSet described_by(const DatasetLocation& location) {
  IndexedSet set;
  set.path = location.path;
  if (!location.labels.empty()) {
    set.labels = {location.labels, location.synsets};
  }
  set.index = location.index;
  set.is_index_named = !location.index.empty();
  return set;
}

}  // namespace

std::optional<IndexedSet> find_tar_set(const DatasetLocation& location) {
  auto tars = find_tar_files(location.path);
  if (!tars) {
    return std::nullopt;
  }
  IndexedSet set = described_by(location);
  set.folder = std::move(tars->folder);
  set.tars = std::move(tars->files);
  set.inner = std::move(tars->inner);
  if (!set.is_index_named) {
    set.index = std::move(tars->index);
  }
  return set;
}

IndexedSet find_folder_set(const DatasetLocation& location) {
  IndexedSet set = described_by(location);
  set.folder = location.path;
  if (!set.is_index_named) {
    set.index = set.folder / kIndexEnding;
  }
  return set;
}

std::vector<IndexSource> current_sources(
    const IndexedSet& set, const std::vector<std::string>& folders) {
  std::vector<IndexSource> sources;
  for (const fs::path& tar : set.tars) {
    sources.push_back(stamp(set, SourceRole::kTar, tar));
  }
  for (const std::string& folder : folders) {
    sources.push_back(stamp_folder(set, folder));
  }
  if (!set.labels.labels.empty()) {
    sources.push_back(stamp(set, SourceRole::kLabels, set.labels.labels));
  }
  if (!set.labels.synsets.empty()) {
    sources.push_back(stamp(set, SourceRole::kSynsets, set.labels.synsets));
  }
  return sources;
}

bool is_current(const IndexedSet& set, const IndexTable& table) {
  if (table.is_folder != set.is_folder() || table.inner != set.inner) {
    return false;
  }
  std::vector<std::string> folders;
  for (const IndexSource& source : table.sources) {
    std::error_code ignored;
    if (source.role == SourceRole::kFolder) {
      if (!fs::is_directory(set.folder / source.path, ignored)) {
        return false;
      }
      folders.push_back(source.path);
    }
  }
  return current_sources(set, folders) == table.sources;
}

}  // namespace vim::data
