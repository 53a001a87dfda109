// A run's folder: config.yaml, log.txt, metrics.csv and checkpoints/. After a resume its files hold
// what an uninterrupted run would have written up to that step, and nothing beyond.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "src/train/train_state.h"
#include "src/weights/safetensors.h"

namespace vim::train {

/// One line of metrics.csv.
struct StepRecord {
  int64_t step = 0;  // steps done
  int64_t epoch = 0;
  double loss = 0.0;  // mean since the line before
  double lr = 0.0;
  double grad_norm = 0.0;  // before clipping
  double images_per_second = 0.0;
  double data_wait_share = 0.0;  // of the time since the line before
  int64_t skipped_total = 0;
};

class RunFolder {
 public:
  explicit RunFolder(std::filesystem::path path) : path_(std::move(path)) {}

  /// What a run starts from, read and verified; nothing: from the beginning. resume is "none" (a
  /// folder with checkpoints is refused), "auto" (the newest valid one here, if any) or a path to a
  /// checkpoint, or to a folder of them, of which the newest valid one is taken. Damaged files are
  /// named in a warning. Throws vim::Error if checkpoints exist but none is valid, or if the named
  /// one is older than one in this folder.
  std::optional<weights::SafetensorsFile> find_checkpoint(const std::string& resume) const;

  /// Writes config.yaml, and log.txt and metrics.csv as they stood at this state. Removes the
  /// unfinished files of a process that was killed.
  void begin(const std::string& config_yaml, const TrainState& state) const;

  void append_epoch(const EpochRecord& record) const;
  void append_step(const StepRecord& record) const;

  std::filesystem::path checkpoint_path(int64_t step) const;

  /// Deletes checkpoints, sparing the `keep` newest ones up to newest_step and that of best_step.
  /// Files beyond newest_step are not this run's and stay.
  void prune_checkpoints(int64_t newest_step, int64_t best_step, int64_t keep) const;

 private:
  std::filesystem::path checkpoints() const { return path_ / "checkpoints"; }

  std::filesystem::path path_;
};

}  // namespace vim::train
