// Listing of class folders. Symbolic links are followed.
#include "src/data/source/image_folder.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>
#include <system_error>
#include <utility>

#include "src/core/checksum.h"
#include "src/core/error.h"
#include "src/data/source/image_names.h"

namespace vim::data {
namespace {

namespace fs = std::filesystem;

constexpr int kMaxDepth = 32;  // of folders inside a class; ends a loop of symbolic links

struct Listing {
  std::vector<std::string> folders;
  std::vector<std::string> images;
};

[[noreturn]] void fail_to_list(const fs::path& folder, const std::error_code& code) {
  throw Error(fmt::format(
      "{}: cannot be listed: {}; check the path and its permissions",
      folder.string(),
      code.message()));
}

// The names in one folder, folders sorted by bytes.
Listing list_folder(const fs::path& folder) {
  Listing listing;
  try {
    for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
      std::string name = entry.path().filename().string();
      std::error_code ignored;  // a dangling link is neither file nor folder
      if (entry.is_directory(ignored)) {
        listing.folders.push_back(std::move(name));
      } else if (is_image_name(name) && entry.is_regular_file(ignored)) {
        listing.images.push_back(std::move(name));
      }
    }
  } catch (const fs::filesystem_error& error) {
    fail_to_list(folder, error.code());
  }
  std::sort(listing.folders.begin(), listing.folders.end());
  return listing;
}

// Adds the images of `folder`, a path below the root, and of the folders below it.
void collect(const fs::path& root, const std::string& folder, int depth, FolderListing& result) {
  if (depth > kMaxDepth) {
    throw Error(fmt::format(
        "{}: folders nested deeper than {}; remove the looping link",
        (root / folder).string(),
        kMaxDepth));
  }
  const Listing listing = list_folder(root / folder);
  result.folders.push_back(folder);
  for (const std::string& name : listing.images) {
    result.found.add(folder + "/" + name, {});
  }
  for (const std::string& name : listing.folders) {
    collect(root, folder + "/" + name, depth + 1, result);
  }
}

}  // namespace

FolderListing list_image_folder(const fs::path& root, bool is_flat) {
  std::error_code ignored;
  if (!fs::is_directory(root, ignored)) {
    throw Error(
        fmt::format("{}: no such folder; check data.path and data.val_path", root.string()));
  }
  const Listing top = list_folder(root);
  if (top.folders.empty() && !is_flat) {
    throw Error(fmt::format(
        "{0}: no class folders found; expected {0}/<class>/<image>, or a label list in "
        "data.train_labels or data.val_labels",
        root.string()));
  }
  FolderListing result;
  result.folders.emplace_back();
  for (const std::string& name : is_flat ? top.images : std::vector<std::string>()) {
    result.found.add(name, {});
  }
  for (const std::string& name : top.folders) {
    const size_t before = result.found.images.size();
    collect(root, name, 0, result);
    if (result.found.images.size() == before && !is_flat) {
      throw Error(fmt::format(
          "{}/{}: no images in this class (known endings: {}); add some or remove the folder",
          root.string(),
          name,
          image_endings()));
    }
  }
  return result;
}

uint64_t hash_of_names(const fs::path& folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator item(folder, error), end; !error && item != end;
       item.increment(error)) {
    names.push_back(item->path().filename().string() + "/");
  }
  if (error) {
    fail_to_list(folder, error);
  }
  std::sort(names.begin(), names.end());
  std::string text;
  for (const std::string& name : names) {
    text += name.starts_with('.') ? "" : name;
  }
  return core::xxh3_64(std::as_bytes(std::span(text)));
}

}  // namespace vim::data
