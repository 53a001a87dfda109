// The same index that training makes for itself, with progress and figures.
#include "apps/data_index.h"

#include <fmt/format.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "apps/app_main.h"
#include "apps/progress.h"
#include "src/core/error.h"
#include "src/data/source/cifar.h"
#include "src/data/source/indexed_build.h"
#include "src/data/source/indexed_dataset.h"

namespace vim::apps {
namespace {

struct Arguments {
  data::DatasetLocation location;
  bool is_forced = false;
};

data::IndexedSet find_set(const data::DatasetLocation& location) {
  if (auto set = data::find_tar_set(location)) {
    return std::move(*set);
  }
  if (data::find_cifar(location.path)) {
    throw Error(fmt::format(
        "{}: CIFAR's files are read into memory and need no index; train on them as they are",
        location.path));
  }
  return data::find_folder_set(location);
}

void print_summary(const data::IndexedSet& set, const data::BuiltIndex& built, double seconds) {
  fmt::print(
      "{}: {} images of {} classes{}; left out: {} links, {} other files; {:.2f} s, index of "
      "{:.1f} "
      "MB\n",
      set.index.string(),
      built.images,
      built.classes,
      set.is_folder() ? ""
                      : fmt::format(", {:.1f} MB", static_cast<double>(built.image_bytes) / 1e6),
      built.num_links,
      built.num_others,
      seconds,
      static_cast<double>(built.bytes.size()) / 1e6);
}

int make_index(const Arguments& arguments) {
  const data::IndexedSet set = find_set(arguments.location);
  if (!arguments.is_forced) {
    if (const auto index = data::find_index(set)) {
      fmt::print(
          "{}: up to date, {} images of {} classes\n",
          set.index.string(),
          index->size(),
          index->table().classes.size());
      return kExitDone;
    }
  }
  constexpr uint64_t kMegabyte = 1'000'000;
  const auto start = std::chrono::steady_clock::now();
  std::optional<Progress> line;
  const auto built = data::build_index(set, [&line](const data::IndexProgress& progress) {
    if (!line) {
      line.emplace("index", "MB", static_cast<int64_t>(progress.bytes_total / kMegabyte));
    }
    line->update(static_cast<int64_t>(progress.bytes_done / kMegabyte));
  });
  if (line) {
    line->finish();
  }
  data::write_index(set.index, built.bytes);
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  print_summary(set, built, seconds.count());
  return kExitDone;
}

}  // namespace

void declare_data_index(CLI::App& app, std::function<int()>& run) {
  auto arguments = std::make_shared<Arguments>();
  data::DatasetLocation& location = arguments->location;
  CLI::App* command = app.add_subcommand("index", "make the index of tar files or a folder");
  command
      ->add_option("PATH", location.path, "as in data.path: FILE.tar, FILE.tar:FOLDER, or a folder")
      ->required();
  command->add_option("--output", location.index, "the index file; default: beside the data");
  command->add_option("--labels", location.labels, "label list of images without class folders");
  command->add_option("--synsets", location.synsets, "which class each number of the list is");
  command->add_flag("--force", arguments->is_forced, "make it even if there is a good one");
  command->callback([arguments, &run] { run = [arguments] { return make_index(*arguments); }; });
}

}  // namespace vim::apps
