// Images in tar files or in folders, found through an index.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "src/data/source/dataset.h"
#include "src/data/source/image_index.h"
#include "src/data/source/indexed_set.h"
#include "src/data/source/tar_source.h"

namespace vim::data {

/// Holds the mapped index and one descriptor for each tar file; nothing grows with the number of
/// images or of threads.
class IndexedDataset : public Dataset {
 public:
  /// `index` must be of `set`.
  IndexedDataset(const IndexedSet& set, ImageIndex index);

  int64_t size() const override { return index_.size(); }
  const std::vector<std::string>& class_names() const override { return index_.table().classes; }
  int64_t label(int64_t index) const override { return index_.entry(index).label; }

  /// ROOT/CLASS/NAME for image files, FILE.tar:ROOT/CLASS/NAME for members of tar files, whose
  /// class may be a tar file within.
  std::string name(int64_t index) const override;
  StoredImage fetch(int64_t index, std::vector<uint8_t>& buffer) const override;

 private:
  std::string path_of(const IndexEntry& entry) const;
  const FileSource& tar_of(const IndexEntry& entry) const;

  std::string folder_;
  ImageIndex index_;
  std::vector<std::unique_ptr<FileSource>> tars_;  // empty: image files
};

/// Opens the images of a set through its index. Tar files get one if there is none or it is stale,
/// an image folder only where the user names a file for it, or in place of a stale one. Where it
/// cannot be written, it is kept in memory, with a warning. Throws vim::Error as build_index does.
std::unique_ptr<Dataset> open_indexed(const IndexedSet& set);

/// The index that lies where the set's belongs, if it is sound and of the set as it is now. Throws
/// vim::Error if another file lies there.
std::optional<ImageIndex> find_index(const IndexedSet& set);

/// Writes an index. Throws vim::Error if the file is there and no index, or cannot be written.
void write_index(const std::filesystem::path& path, const std::string& bytes);

}  // namespace vim::data
