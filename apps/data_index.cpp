// The same index that training makes for itself, with progress and figures.
#include "apps/data_index.h"

#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <memory>
#include <string>

#include "apps/app_main.h"
#include "src/core/error.h"
#include "src/data/cifar.h"
#include "src/data/indexed_build.h"
#include "src/data/indexed_dataset.h"

namespace vim::apps {
namespace {

using Clock = std::chrono::steady_clock;

struct Arguments {
  data::DatasetLocation location;
  bool is_forced = false;
};

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// How far the walk has come, on standard error: one line that is written over on a terminal,
// elsewhere a line every few seconds.
class ProgressLine {
 public:
  void show(const data::IndexProgress& progress) {
    if (seconds_since(shown_) < (is_terminal_ ? 0.2 : 5.0)) {
      return;
    }
    shown_ = Clock::now();
    const double done = static_cast<double>(progress.bytes_done);
    const double total = static_cast<double>(progress.bytes_total);
    const double seconds = seconds_since(start_);
    fmt::print(
        stderr,
        "{}{} images, {:.1f} of {:.1f} GB, {:.2f} GB/s, {:.0f} s left{}",
        is_terminal_ ? "\r" : "",
        progress.images,
        done / 1e9,
        total / 1e9,
        done / 1e9 / seconds,
        done > 0 ? (total - done) * seconds / done : 0.0,
        is_terminal_ ? "\x1B[K" : "\n");
    has_shown_ = true;
  }

  void end() const {
    if (is_terminal_ && has_shown_) {
      fmt::print(stderr, "\r\x1B[K");
    }
  }

 private:
  const bool is_terminal_ = ::isatty(STDERR_FILENO) != 0;
  const Clock::time_point start_ = Clock::now();
  Clock::time_point shown_ = start_;
  bool has_shown_ = false;
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
  const auto start = Clock::now();
  ProgressLine line;
  const auto built =
      data::build_index(set, [&line](const data::IndexProgress& progress) { line.show(progress); });
  data::write_index(set.index, built.bytes);
  line.end();
  print_summary(set, built, seconds_since(start));
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
