// CIFAR's binary files: records of one or two label bytes and a 32x32 image stored plane by plane.
#include "src/data/source/cifar.h"

#include <fmt/format.h>

#include <sstream>
#include <system_error>

#include "src/core/error.h"
#include "src/data/source/packed_files.h"

namespace vim::data {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kSide = 32;
constexpr int64_t kPlaneBytes = kSide * kSide;
constexpr int64_t kImageBytes = kPlaneBytes * 3;

// What differs between the two sets.
struct Layout {
  std::string title;
  std::string folder;
  std::string archive;
  std::string names_file;
  int64_t num_classes = 0;
  int64_t label_bytes = 0;  // the last of them is the label
  int64_t records_per_file = 0;
  std::vector<std::string> files;
};

Layout layout_of(DataFormat format, bool train) {
  if (format == DataFormat::kCifar10) {
    Layout layout{
        "CIFAR-10",
        "cifar-10-batches-bin",
        "cifar-10-binary.tar.gz",
        "batches.meta.txt",
        10,
        1,
        10000,
        {}};
    layout.files = {"test_batch.bin"};
    if (train) {
      layout.files = {
          "data_batch_1.bin",
          "data_batch_2.bin",
          "data_batch_3.bin",
          "data_batch_4.bin",
          "data_batch_5.bin"};
    }
    return layout;
  }
  Layout layout{
      "CIFAR-100",
      "cifar-100-binary",
      "cifar-100-binary.tar.gz",
      "fine_label_names.txt",
      100,
      2,
      10000,
      {}};
  layout.files = {train ? "train.bin" : "test.bin"};
  layout.records_per_file = train ? 50000 : 10000;
  return layout;
}

// The folder that holds the files, or the archive.
fs::path find_files(const fs::path& path, const Layout& layout) {
  std::error_code ignored;
  if (is_archive_name(path) && fs::is_regular_file(path, ignored)) {
    return path;
  }
  for (const fs::path& folder : {path, path / layout.folder}) {
    if (fs::exists(folder / layout.files.front(), ignored)) {
      return folder;
    }
  }
  if (fs::is_regular_file(path / layout.archive, ignored)) {
    return path / layout.archive;
  }
  throw Error(fmt::format(
      "{}: no {} binary files ({}) there or in {}, nor {}; download the binary version",
      path.string(),
      layout.title,
      layout.files.front(),
      layout.folder,
      layout.archive));
}

std::vector<std::string> read_class_names(const PackedFiles& files, const Layout& layout) {
  std::vector<uint8_t> bytes;
  files.read(layout.names_file, bytes);
  std::istringstream text(std::string(bytes.begin(), bytes.end()));
  std::vector<std::string> names;
  std::string line;
  while (std::getline(text, line)) {
    while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) {
      line.pop_back();
    }
    if (!line.empty()) {
      names.push_back(line);
    }
  }
  if (static_cast<int64_t>(names.size()) != layout.num_classes) {
    throw Error(fmt::format(
        "{}: {} class names found where {} are expected; unpack the archive again",
        files.name(layout.names_file),
        names.size(),
        layout.num_classes));
  }
  return names;
}

// Stores height x width x 3 from three planes.
void interleave(const uint8_t* planes, uint8_t* pixels) {
  for (int64_t i = 0; i < kPlaneBytes; ++i) {
    for (int64_t c = 0; c < 3; ++c) {
      pixels[i * 3 + c] = planes[c * kPlaneBytes + i];
    }
  }
}

class Cifar : public Dataset {
 public:
  Cifar(const PackedFiles& files, Layout layout) : layout_(std::move(layout)) {
    class_names_ = read_class_names(files, layout_);
    const auto num_images = layout_.records_per_file * static_cast<int64_t>(layout_.files.size());
    pixels_.reserve(static_cast<size_t>(num_images * kImageBytes));
    std::vector<uint8_t> bytes;
    for (const std::string& file : layout_.files) {
      paths_.push_back(files.name(file));
      const bool is_there = files.read(file, bytes);
      load(paths_.back(), bytes, is_there);
    }
  }

  int64_t size() const override { return static_cast<int64_t>(labels_.size()); }

  const std::vector<std::string>& class_names() const override { return class_names_; }

  int64_t label(int64_t index) const override { return labels_.at(static_cast<size_t>(index)); }

  std::string name(int64_t index) const override {
    const int64_t file = index / layout_.records_per_file;
    return fmt::format(
        "{}, image {}", paths_.at(static_cast<size_t>(file)), index % layout_.records_per_file);
  }

  StoredImage fetch(int64_t index, std::vector<uint8_t>& /*buffer*/) const override {
    const std::span<const uint8_t> pixels(pixels_);
    return {pixels.subspan(static_cast<size_t>(index * kImageBytes), kImageBytes), {kSide, kSide}};
  }

 private:
  void load(const std::string& path, std::span<const uint8_t> bytes, bool is_there) {
    const auto record_bytes = static_cast<size_t>(layout_.label_bytes + kImageBytes);
    const size_t expected = static_cast<size_t>(layout_.records_per_file) * record_bytes;
    if (!is_there || bytes.size() != expected) {
      throw Error(fmt::format(
          "{}: {} where {} bytes are expected; download and unpack the archive again",
          path,
          is_there ? fmt::format("{} bytes", bytes.size()) : "no such file",
          expected));
    }
    for (size_t begin = 0; begin < bytes.size(); begin += record_bytes) {
      add_record(bytes.subspan(begin, record_bytes), path);
    }
  }

  void add_record(std::span<const uint8_t> record, const std::string& path) {
    const uint8_t label = record[static_cast<size_t>(layout_.label_bytes) - 1];
    if (label >= layout_.num_classes) {
      throw Error(fmt::format(
          "{}: label {} where {} classes are expected; the file is damaged or of another set",
          path,
          label,
          layout_.num_classes));
    }
    labels_.push_back(label);
    const size_t end = pixels_.size();
    pixels_.resize(end + static_cast<size_t>(kImageBytes));
    interleave(record.data() + layout_.label_bytes, pixels_.data() + end);
  }

  Layout layout_;
  std::vector<std::string> class_names_;
  std::vector<std::string> paths_;
  std::vector<uint8_t> labels_;
  std::vector<uint8_t> pixels_;
};

}  // namespace

std::unique_ptr<Dataset> open_cifar(DataFormat format, const fs::path& path, bool train) {
  Layout layout = layout_of(format, train);
  const PackedFiles files(find_files(path, layout));
  return std::make_unique<Cifar>(files, std::move(layout));
}

std::optional<DataFormat> find_cifar(const fs::path& path) {
  for (const DataFormat format : {DataFormat::kCifar10, DataFormat::kCifar100}) {
    const Layout layout = layout_of(format, /*train=*/false);
    std::error_code ignored;
    bool is_there = path.filename() == layout.archive || fs::exists(path / layout.archive, ignored);
    for (const fs::path& folder : {path, path / layout.folder}) {
      is_there = is_there || (fs::exists(folder / layout.files.front(), ignored) &&
                              fs::exists(folder / layout.names_file, ignored));
    }
    if (is_there) {
      return format;
    }
  }
  return std::nullopt;
}

}  // namespace vim::data
