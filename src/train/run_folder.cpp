// Lines are appended as they come; a resume rewrites the files from what the checkpoint knows.
#include "src/train/run_folder.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <vector>

#include "src/core/atomic_file.h"
#include "src/core/error.h"
#include "src/weights/checkpoint_file.h"

namespace vim::train {
namespace {

namespace fs = std::filesystem;

constexpr const char* kMetricsHeader =
    "step,epoch,loss,lr,grad_norm,images_per_second,data_wait_share,skipped_steps\n";

void append_text(const fs::path& path, const std::string& text) {
  std::ofstream stream(path, std::ios::app);
  stream << text << std::flush;
  if (!stream) {
    throw Error(path.string() + ": cannot write; check the folder's permissions and free space");
  }
}

// The newest checkpoint that reads without damage. Throws if there are some but all are damaged.
std::optional<weights::SafetensorsFile> newest_valid(const fs::path& folder) {
  const std::vector<fs::path> paths = weights::list_checkpoints(folder);
  for (const fs::path& path : paths) {
    try {
      return weights::read_checkpoint(path);
    } catch (const Error& error) {
      spdlog::warn("{}; trying the one before", error.what());
    }
  }
  if (!paths.empty()) {
    throw Error(
        folder.string() + ": none of its checkpoints can be read; start anew in another folder");
  }
  return std::nullopt;
}

weights::SafetensorsFile open_named(const fs::path& path) {
  if (!fs::is_directory(path)) {
    return weights::read_checkpoint(path);
  }
  for (const fs::path& folder : {path, path / "checkpoints"}) {
    if (auto file = newest_valid(folder)) {
      return *std::move(file);
    }
  }
  throw Error(path.string() + ": holds no checkpoint to resume from; check --resume");
}

// The step a line of metrics.csv begins with; the header and damaged lines give -1.
int64_t step_of_line(const std::string& line) {
  int64_t step = -1;
  const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), step);
  const bool is_whole = error == std::errc() && end != line.data() + line.size() && *end == ',';
  return is_whole ? step : -1;
}

// What a process that was killed while writing left behind.
void remove_unfinished(const fs::path& folder) {
  std::error_code ignored;  // no such folder yet, or a file that stays: neither does harm
  for (const auto& entry : fs::directory_iterator(folder, ignored)) {
    if (core::is_unfinished_file(entry.path())) {
      fs::remove(entry.path(), ignored);
    }
  }
}

std::string metrics_until(const fs::path& path, int64_t last_step) {
  std::string text = kMetricsHeader;
  std::ifstream stream(path);
  for (std::string line; std::getline(stream, line);) {
    const int64_t step = step_of_line(line);
    if (step >= 0 && step <= last_step) {
      text += line + '\n';
    }
  }
  return text;
}

}  // namespace

std::optional<weights::SafetensorsFile> RunFolder::find_checkpoint(
    const std::string& resume) const {
  const std::vector<fs::path> own = weights::list_checkpoints(checkpoints());
  if (resume == "auto") {
    return newest_valid(checkpoints());
  }
  if (resume == "none") {
    if (!own.empty()) {
      throw Error(
          path_.string() +
          ": holds checkpoints of an earlier run; continue it with --resume auto, "
          "or give another --output");
    }
    return std::nullopt;
  }
  weights::SafetensorsFile file = open_named(resume);
  const int64_t newest = own.empty() ? -1 : weights::checkpoint_step(own.front());
  if (newest > weights::checkpoint_step(file.name()) &&
      weights::checkpoint_step(file.name()) >= 0) {
    throw Error(fmt::format(
        "{}: holds {}, which is later than {}; give another --output, or remove the later ones",
        path_.string(),
        own.front().filename().string(),
        file.name()));
  }
  return file;
}

void RunFolder::begin(const std::string& config_yaml, const TrainState& state) const {
  remove_unfinished(path_);
  remove_unfinished(checkpoints());
  core::write_file_atomically(path_ / "config.yaml", config_yaml);
  std::string log;
  for (const EpochRecord& record : state.history) {
    log += to_log_line(record) + '\n';
  }
  core::write_file_atomically(path_ / "log.txt", log);
  core::write_file_atomically(
      path_ / "metrics.csv", metrics_until(path_ / "metrics.csv", state.step));
}

void RunFolder::append_epoch(const EpochRecord& record) const {
  append_text(path_ / "log.txt", to_log_line(record) + '\n');
}

void RunFolder::append_step(const StepRecord& record) const {
  append_text(
      path_ / "metrics.csv",
      fmt::format(
          "{},{},{},{},{},{:.1f},{:.3f},{}\n",
          record.step,
          record.epoch,
          record.loss,
          record.lr,
          record.grad_norm,
          record.images_per_second,
          record.data_wait_share,
          record.skipped_total));
}

fs::path RunFolder::checkpoint_path(int64_t step) const {
  return checkpoints() / weights::checkpoint_name(step);
}

void RunFolder::prune_checkpoints(int64_t newest_step, int64_t best_step, int64_t keep) const {
  int64_t kept = 0;
  for (const fs::path& path : weights::list_checkpoints(checkpoints())) {
    const int64_t step = weights::checkpoint_step(path);
    if (step > newest_step) {
      continue;
    }
    ++kept;
    if (kept > std::max<int64_t>(keep, 1) && step != best_step) {
      fs::remove(path);
    }
  }
}

}  // namespace vim::train
