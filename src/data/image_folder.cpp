// Listing and reading of class folders. File names of a whole ImageNet are kept in one string: a
// million small allocations less.
#include "src/data/image_folder.h"

#include <algorithm>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include "src/core/error.h"
#include "src/data/image_names.h"
#include "src/data/read_file.h"

namespace vim::data {
namespace {

namespace fs = std::filesystem;

constexpr int kMaxDepth = 32;  // of folders inside a class; ends a loop of symbolic links

struct Listing {
  std::vector<std::string> folders;
  std::vector<std::string> images;
};

// The names in one folder, sorted by bytes.
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
    throw Error(fmt::format(
        "{}: cannot be listed: {}; check the path and its permissions",
        folder.string(),
        error.code().message()));
  }
  std::sort(listing.folders.begin(), listing.folders.end());
  std::sort(listing.images.begin(), listing.images.end());
  return listing;
}

// `folder` and the folders below it with their images, unsorted.
using FolderImages = std::pair<std::string, std::vector<std::string>>;
void collect_folders(
    const fs::path& root, const std::string& folder, int depth, std::vector<FolderImages>* found) {
  if (depth > kMaxDepth) {
    throw Error(fmt::format(
        "{}: folders nested deeper than {}; remove the looping link",
        (root / folder).string(),
        kMaxDepth));
  }
  Listing listing = list_folder(root / folder);
  found->emplace_back(folder, std::move(listing.images));
  for (const std::string& name : listing.folders) {
    collect_folders(root, folder + "/" + name, depth + 1, found);
  }
}

class ImageFolder : public Dataset {
 public:
  explicit ImageFolder(const fs::path& root) : root_(root.string()) {
    class_names_ = list_folder(root).folders;
    if (class_names_.empty()) {
      throw Error(
          fmt::format("{}: no class folders found; expected {}/<class>/<image>", root_, root_));
    }
    for (const std::string& name : class_names_) {
      add_class(name);
    }
    offsets_.push_back(names_.size());
  }

  int64_t size() const override { return static_cast<int64_t>(labels_.size()); }

  const std::vector<std::string>& class_names() const override { return class_names_; }

  int64_t label(int64_t index) const override { return labels_.at(static_cast<size_t>(index)); }

  std::string name(int64_t index) const override {
    const auto i = static_cast<size_t>(index);
    const size_t begin = offsets_.at(i);
    return root_ + "/" + names_.substr(begin, offsets_.at(i + 1) - begin);
  }

  StoredImage fetch(int64_t index, std::vector<uint8_t>& buffer) const override {
    read_file(name(index), buffer);
    return {buffer};
  }

 private:
  void add_class(const std::string& class_name) {
    std::vector<FolderImages> folders;
    collect_folders(root_, class_name, 0, &folders);
    std::sort(folders.begin(), folders.end());
    const auto label = static_cast<int32_t>(&class_name - class_names_.data());
    const size_t size_before = labels_.size();
    for (const auto& [folder, images] : folders) {
      for (const std::string& image : images) {
        offsets_.push_back(names_.size());
        names_ += folder + "/" + image;
        labels_.push_back(label);
      }
    }
    if (labels_.size() == size_before) {
      throw Error(fmt::format(
          "{}/{}: no images in this class (known endings: {}); add some or remove the folder",
          root_,
          class_name,
          image_endings()));
    }
  }

  std::string root_;
  std::vector<std::string> class_names_;
  std::string names_;  // of all files below the root, one behind the other
  std::vector<size_t> offsets_;
  std::vector<int32_t> labels_;
};

}  // namespace

std::unique_ptr<Dataset> open_image_folder(const fs::path& root) {
  std::error_code ignored;
  if (!fs::is_directory(root, ignored)) {
    throw Error(
        fmt::format("{}: no such folder; check data.path and data.val_path", root.string()));
  }
  return std::make_unique<ImageFolder>(root);
}

}  // namespace vim::data
