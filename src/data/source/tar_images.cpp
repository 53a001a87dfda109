// One walk through every header. Names are text: "." and empty parts are left out of them, and
// nothing is ever written where they point to.
#include "src/data/source/tar_images.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <limits>
#include <optional>

#include "src/core/error.h"
#include "src/core/logging.h"
#include "src/data/source/image_names.h"
#include "src/data/source/tar_reader.h"

namespace vim::data {
namespace {

constexpr std::string_view kTarEnding = ".tar";
constexpr int64_t kMembersPerReport = 4096;

// Without empty parts and ".", so that "./a//b" is "a/b".
std::string plain_path(std::string_view name) {
  std::string path;
  while (!name.empty()) {
    const size_t end = std::min(name.find('/'), name.size());
    const std::string_view part = name.substr(0, end);
    if (!part.empty() && part != ".") {
      path += path.empty() ? "" : "/";
      path += part;
    }
    name.remove_prefix(std::min(end + 1, name.size()));
  }
  return path;
}

bool lies_in(std::string_view path, std::string_view folder) {
  return folder.empty() ||
         (path.starts_with(folder) && (path.size() == folder.size() || path[folder.size()] == '/'));
}

class TarWalk {
 public:
  TarWalk(const std::string& inner, const ReportProgress& report)
      : inner_(plain_path(inner)), report_(report) {}

  uint64_t bytes_total = 0;

  // The source as a whole is a class, named as its file is.
  void walk_class(const ByteSource& source, uint32_t number) {
    const std::string path = std::filesystem::path(source.name()).filename().string();
    walk_inner(TarReader(source), path, number);
    bytes_before_ += source.size();
  }

  void walk(const ByteSource& source, uint32_t number) {
    TarReader reader(source);
    TarMember member;
    while (reader.next(member)) {
      const std::string path = plain_path(member.name);
      if (member.kind == TarKind::kFile && path.ends_with(kTarEnding) && lies_in(path, inner_)) {
        walk_inner(reader.open(member), path, number);
      } else {
        take(path, folder_part(path), number, member);
      }
      progress(bytes_before_ + member.offset + member.size);
    }
    warn_of_end(reader, source.name());
    bytes_before_ += source.size();
  }

  FoundImages finish(std::string& root) {
    root = inner_.empty() ? root_.value_or("") : inner_;
    if (!root.empty()) {
      found_.drop_front_of_names(root.size() + 1);
    }
    progress_now(bytes_before_);
    return std::move(found_);
  }

 private:
  void walk_inner(TarReader reader, const std::string& path, uint32_t number) {
    const std::string class_folder = path.substr(0, path.size() - kTarEnding.size());
    TarMember member;
    while (reader.next(member)) {
      take(class_folder + "/" + plain_path(member.name), folder_part(path), number, member);
      progress(bytes_before_ + member.offset + member.size);
    }
    warn_of_end(reader, path);
  }

  // `holder`: the folder that the root cannot be deeper than.
  void take(
      const std::string& path, std::string_view holder, uint32_t number, const TarMember& member) {
    if (member.kind == TarKind::kLink) {
      ++found_.num_links;
    }
    if (member.kind != TarKind::kFile) {
      return;
    }
    if (!is_image_name(path) || !lies_in(folder_part(path), inner_)) {
      ++found_.num_others;
      return;
    }
    if (member.size > std::numeric_limits<uint32_t>::max()) {
      throw Error(fmt::format("{}: is an image of {} bytes; remove it", path, member.size));
    }
    found_.add(
        path,
        {.offset = member.offset, .length = static_cast<uint32_t>(member.size), .source = number});
    shrink_root(holder);
  }

  void shrink_root(std::string_view holder) {
    if (!root_) {
      root_ = holder;
    }
    while (!lies_in(holder, *root_)) {
      root_ = folder_part(std::string(*root_));
    }
  }

  void progress(uint64_t bytes) {
    if (++num_members_ % kMembersPerReport == 0) {
      progress_now(bytes);
    }
  }

  void progress_now(uint64_t bytes) const {
    if (report_) {
      report_({bytes, bytes_total, static_cast<int64_t>(found_.images.size())});
    }
  }

  void warn_of_end(const TarReader& reader, const std::string& name) {
    if (!reader.has_end_mark() && !std::exchange(has_warned_, true)) {
      spdlog::warn("{}: has no blocks of zeros at its end; it may have been cut short", name);
    }
  }

  const std::string inner_;
  const ReportProgress& report_;
  FoundImages found_;
  std::optional<std::string> root_;
  uint64_t bytes_before_ = 0;
  int64_t num_members_ = 0;
  bool has_warned_ = false;
};

}  // namespace

FoundImages find_tar_images(
    const std::vector<std::unique_ptr<ByteSource>>& sources,
    const TarLayout& layout,
    std::string& root,
    const ReportProgress& report) {
  TarWalk walk(layout.inner, report);
  for (const auto& source : sources) {
    walk.bytes_total += source->size();
  }
  for (size_t i = 0; i < sources.size(); ++i) {
    const auto number = static_cast<uint32_t>(i);
    if (layout.are_classes) {
      walk.walk_class(*sources[i], number);
    } else {
      walk.walk(*sources[i], number);
    }
  }
  return walk.finish(root);
}

}  // namespace vim::data
