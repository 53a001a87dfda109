// One code path for all layouts: an entry is either a file's name or a place in a tar file.
#include "src/data/source/indexed_dataset.h"

#include <fmt/format.h>

#include <chrono>
#include <optional>
#include <span>
#include <utility>

#include "src/core/atomic_file.h"
#include "src/core/error.h"
#include "src/core/logging.h"
#include "src/data/source/indexed_build.h"
#include "src/data/source/read_file.h"

namespace vim::data {
namespace {

namespace fs = std::filesystem;

// A slip in a path must not cost the user a file.
void require_replaceable(const fs::path& path) {
  if (!may_replace_index(path)) {
    throw Error(fmt::format("{}: is there and no index; name another file", path.string()));
  }
}

// Writes the index and maps it, so that processes share it; keeps it in memory if that fails.
ImageIndex keep_index(const IndexedSet& set, std::string bytes) {
  try {
    write_index(set.index, bytes);
    return ImageIndex::map(set.index);
  } catch (const Error& error) {
    spdlog::warn(
        "{}; the index stays in memory, name a file for it in data.index or data.val_index",
        error.what());
    return ImageIndex::from_bytes(std::move(bytes), set.index.string());
  }
}

ImageIndex make_index(const IndexedSet& set, bool is_kept) {
  const auto start = std::chrono::steady_clock::now();
  if (!set.is_folder()) {
    spdlog::info("{}: making an index of its images, once", set.path);
  }
  BuiltIndex built = build_index(set, {});
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  if (is_kept) {
    spdlog::info(
        "{}: {} images of {} classes in {:.1f} s",
        set.index.string(),
        built.images,
        built.classes,
        seconds.count());
    return keep_index(set, std::move(built.bytes));
  }
  return ImageIndex::from_bytes(std::move(built.bytes), set.path);
}

}  // namespace

IndexedDataset::IndexedDataset(const IndexedSet& set, ImageIndex index)
    : folder_(set.folder.string()), index_(std::move(index)) {
  for (const fs::path& tar : set.tars) {
    tars_.push_back(std::make_unique<FileSource>(tar));
  }
}

std::string IndexedDataset::path_of(const IndexEntry& entry) const {
  const IndexTable& table = index_.table();
  std::string path = table.root.empty() ? "" : table.root + "/";
  if (!table.is_flat) {
    path += table.classes[entry.label] + "/";
  }
  return path.append(entry.name);
}

const FileSource& IndexedDataset::tar_of(const IndexEntry& entry) const {
  return *tars_.at(entry.source);
}

std::string IndexedDataset::name(int64_t index) const {
  const IndexEntry entry = index_.entry(index);
  return tars_.empty() ? folder_ + "/" + path_of(entry)
                       : tar_of(entry).name() + ":" + path_of(entry);
}

StoredImage IndexedDataset::fetch(int64_t index, std::vector<uint8_t>& buffer) const {
  const IndexEntry entry = index_.entry(index);
  if (tars_.empty()) {
    read_file(folder_ + "/" + path_of(entry), buffer);
  } else {
    buffer.resize(entry.length);
    tar_of(entry).read_at(entry.offset, buffer);
  }
  return {buffer};
}

std::optional<ImageIndex> find_index(const IndexedSet& set) {
  std::error_code ignored;
  if (!fs::exists(set.index, ignored)) {
    return std::nullopt;
  }
  require_replaceable(set.index);
  try {
    ImageIndex index = ImageIndex::map(set.index);
    if (is_current(set, index.table())) {
      return index;
    }
    spdlog::info("{}: the data have changed since; making it again", set.index.string());
  } catch (const Error& error) {
    spdlog::warn("{}", error.what());
  }
  return std::nullopt;
}

std::unique_ptr<Dataset> open_indexed(const IndexedSet& set) {
  std::error_code ignored;
  const bool is_kept = !set.is_folder() || set.is_index_named || fs::exists(set.index, ignored);
  std::optional<ImageIndex> index = find_index(set);
  if (!index) {
    index = make_index(set, is_kept);
  }
  return std::make_unique<IndexedDataset>(set, std::move(*index));
}

void write_index(const fs::path& path, const std::string& bytes) {
  require_replaceable(path);
  core::write_file_atomically(path, bytes);
}

}  // namespace vim::data
