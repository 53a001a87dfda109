// Found images get labels and order, and become entries.
#include "src/data/source/indexed_build.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <utility>

#include "src/core/error.h"
#include "src/data/source/image_folder.h"
#include "src/data/source/image_layout.h"
#include "src/data/source/image_names.h"

namespace vim::data {
namespace {

// Names of parts of a data set. Where classes are called so, the folder above was given.
constexpr std::array<std::string_view, 5> kParts = {"test", "train", "val", "valid", "validation"};

void check_classes(const IndexedSet& set, const IndexTable& table) {
  const bool are_parts =
      table.classes.size() > 1 &&
      std::all_of(table.classes.begin(), table.classes.end(), [](const auto& name) {
        return std::find(kParts.begin(), kParts.end(), name) != kParts.end();
      });
  if (are_parts && !set.is_folder()) {
    throw Error(fmt::format(
        "{}: its folders {} are no classes but parts of a data set; name one, as in FILE.tar:{}",
        set.path,
        fmt::join(table.classes, ", "),
        (table.root.empty() ? "" : table.root + "/") + table.classes.front()));
  }
}

[[noreturn]] void fail_without_images(
    const IndexedSet& set, const IndexTable& table, bool is_flat) {
  if (is_flat) {
    throw Error(fmt::format(
        "{}: all images lie in one folder{}, so nothing tells their classes; give a label list in "
        "data.train_labels or data.val_labels, or the folder above as in FILE.tar:FOLDER",
        set.path,
        table.root.empty() ? "" : ", " + table.root));
  }
  throw Error(fmt::format(
      "{}: no images{} (known endings: {}); check the path",
      set.path,
      set.inner.empty() ? "" : " in " + set.inner,
      image_endings()));
}

std::vector<std::string> source_names(const IndexedSet& set) {
  std::vector<std::string> names;
  for (const auto& tar : set.tars) {
    names.push_back(tar.filename().string());
  }
  if (names.empty()) {
    names.push_back(set.folder.string());
  }
  return names;
}

// Puts the images in order and writes them down.
BuiltIndex finish(const IndexedSet& set, IndexTable table, FoundImages found) {
  table.is_folder = set.is_folder();
  table.is_flat = !set.labels.labels.empty();
  table.inner = set.inner;
  const bool has_any = !found.images.empty();
  ImageLabels labels;
  if (has_any) {
    labels = table.is_flat ? read_image_labels(set.labels, found) : labels_of_folders(found);
  }
  if (found.images.empty()) {
    fail_without_images(set, table, has_any);
  }
  table.classes = std::move(labels.classes);
  check_classes(set, table);
  arrange_images(found, labels.labels, source_names(set), set.path);
  BuiltIndex built;
  ImageIndexWriter writer;
  for (const FoundImage& image : found.images) {
    const std::string_view path = found.name(image);
    const size_t front = table.is_flat ? 0 : table.classes[image.label].size() + 1;
    writer.add({image.source, image.offset, image.length, image.label, path.substr(front)});
    built.image_bytes += image.length;
  }
  built.images = static_cast<int64_t>(found.images.size());
  built.classes = static_cast<int64_t>(table.classes.size());
  built.num_links = found.num_links;
  built.num_others = found.num_others;
  built.bytes = writer.finish(table);
  return built;
}

// Whether no image lies in a folder below the root.
bool is_flat(const FoundImages& found) {
  return std::all_of(found.images.begin(), found.images.end(), [&found](const FoundImage& image) {
    return found.name(image).find('/') == std::string_view::npos;
  });
}

BuiltIndex build_tars(
    const IndexedSet& set,
    const std::vector<std::unique_ptr<ByteSource>>& sources,
    IndexTable table,
    const ReportProgress& report) {
  FoundImages found = find_tar_images(sources, {set.inner}, table.root, report);
  const bool has_no_classes = set.labels.labels.empty() && is_flat(found);
  if (has_no_classes && set.inner.empty() && sources.size() > 1) {
    // ImageNet's outer tar file unpacked by one level.
    found = find_tar_images(sources, {"", /*are_classes=*/true}, table.root, report);
  }
  return finish(set, std::move(table), std::move(found));
}

}  // namespace

BuiltIndex build_index(const IndexedSet& set, const ReportProgress& report) {
  IndexTable table;
  if (set.is_folder()) {
    FolderListing listing = list_image_folder(set.folder, !set.labels.labels.empty());
    table.sources = current_sources(set, listing.folders);
    return finish(set, std::move(table), std::move(listing.found));
  }
  // Before the walk: what changes during it makes the index stale.
  table.sources = current_sources(set, {});
  std::vector<std::unique_ptr<ByteSource>> sources;
  for (const auto& tar : set.tars) {
    sources.push_back(std::make_unique<FileSource>(tar));
  }
  return build_tars(set, sources, std::move(table), report);
}

BuiltIndex build_tar_index(
    const IndexedSet& set,
    const std::vector<std::unique_ptr<ByteSource>>& sources,
    const ReportProgress& report) {
  IndexTable table;
  for (const auto& source : sources) {
    table.sources.push_back({SourceRole::kTar, source->name(), source->size(), 0});
  }
  return build_tars(set, sources, std::move(table), report);
}

}  // namespace vim::data
