#include "src/train/run_folder.h"

#include <fstream>
#include <sstream>

#include "src/core/atomic_file.h"
#include "src/core/error.h"
#include "src/weights/checkpoint_file.h"
#include "tests/support/catch.h"
#include "tests/support/temp_folder.h"
#include "tests/support/thrown_text.h"

namespace vim::train {
namespace {

std::string read_text(const std::filesystem::path& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

void write_empty_checkpoint(const RunFolder& folder, int64_t step) {
  weights::write_checkpoint(folder.checkpoint_path(step), {}, {{"state", std::to_string(step)}});
}

void damage(const std::filesystem::path& path) {
  core::write_file_atomically(path, read_text(path).substr(0, 40));
}

int64_t found_step(const std::optional<weights::SafetensorsFile>& file) {
  return file ? std::stoll(file->metadata().at("state")) : -1;
}

}  // namespace

TEST_CASE("a fresh folder starts from the beginning, whether none or auto is asked for") {
  const test::TempFolder temp;
  const RunFolder folder(temp / "run");
  CHECK_FALSE(folder.find_checkpoint("none"));
  CHECK_FALSE(folder.find_checkpoint("auto"));
}

TEST_CASE("resume none refuses a folder that holds checkpoints") {
  const test::TempFolder temp;
  const RunFolder folder(temp.path());
  write_empty_checkpoint(folder, 3);
  CHECK(test::thrown_text([&] {
          folder.find_checkpoint("none");
        }).find("--resume auto") != std::string::npos);
}

TEST_CASE("resume auto takes the newest valid checkpoint and passes over damaged ones") {
  const test::TempFolder temp;
  const RunFolder folder(temp.path());
  for (const int64_t step : {9, 10, 11}) {
    write_empty_checkpoint(folder, step);
  }
  CHECK(found_step(folder.find_checkpoint("auto")) == 11);
  damage(folder.checkpoint_path(11));
  CHECK(found_step(folder.find_checkpoint("auto")) == 10);
  damage(folder.checkpoint_path(10));
  damage(folder.checkpoint_path(9));
  CHECK_FALSE(test::thrown_text([&] { folder.find_checkpoint("auto"); }).empty());
}

TEST_CASE("a path names a checkpoint, a folder of them, or a run") {
  const test::TempFolder temp;
  const RunFolder other(temp / "other");
  write_empty_checkpoint(other, 4);
  write_empty_checkpoint(other, 6);
  const RunFolder folder(temp / "run");
  CHECK(found_step(folder.find_checkpoint(other.checkpoint_path(4).string())) == 4);
  CHECK(found_step(folder.find_checkpoint((temp / "other").string())) == 6);
  CHECK(found_step(folder.find_checkpoint((temp / "other/checkpoints").string())) == 6);
  CHECK_FALSE(test::thrown_text([&] { folder.find_checkpoint((temp / "run").string()); }).empty());
  CHECK_FALSE(
      test::thrown_text([&] { folder.find_checkpoint((temp / "nowhere").string()); }).empty());
}

TEST_CASE("a checkpoint older than one in the run's own folder is refused") {
  const test::TempFolder temp;
  const RunFolder folder(temp.path());
  write_empty_checkpoint(folder, 4);
  write_empty_checkpoint(folder, 6);
  const std::string message =
      test::thrown_text([&] { folder.find_checkpoint(folder.checkpoint_path(4).string()); });
  CHECK(message.find("step_00000006") != std::string::npos);
  CHECK(found_step(folder.find_checkpoint(folder.checkpoint_path(6).string())) == 6);
}

TEST_CASE("the newest checkpoints and the best one are kept, later ones are left alone") {
  const test::TempFolder temp;
  const RunFolder folder(temp.path());
  for (const int64_t step : {1, 2, 3, 4, 5, 9}) {
    write_empty_checkpoint(folder, step);
  }
  folder.prune_checkpoints(/*newest_step=*/5, /*best_step=*/2, /*keep=*/2);
  std::vector<int64_t> steps;
  for (const auto& path : weights::list_checkpoints(temp / "checkpoints")) {
    steps.push_back(weights::checkpoint_step(path));
  }
  CHECK(steps == std::vector<int64_t>{9, 5, 4, 2});
}

TEST_CASE("keep 0 spares the newest checkpoint all the same") {
  const test::TempFolder temp;
  const RunFolder folder(temp.path());
  write_empty_checkpoint(folder, 1);
  write_empty_checkpoint(folder, 2);
  folder.prune_checkpoints(2, -1, 0);
  CHECK(weights::list_checkpoints(temp / "checkpoints").size() == 1);
}

TEST_CASE("after a resume the logs hold what belongs to the restored step and no more") {
  const test::TempFolder temp;
  const RunFolder folder(temp.path());
  TrainState state;
  folder.begin("a: 1\n", state);
  EpochRecord record;
  for (int64_t epoch = 0; epoch < 3; ++epoch) {
    record.epoch = epoch;
    folder.append_epoch(record);
    folder.append_step({.step = 10 * (epoch + 1), .epoch = epoch, .loss = 1.5});
    if (epoch == 1) {
      state.step = 20;
      state.history = {EpochRecord{}, record};
    }
  }
  folder.begin("a: 2\n", state);
  CHECK(read_text(temp / "config.yaml") == "a: 2\n");
  CHECK(
      read_text(temp / "log.txt") ==
      to_log_line(state.history[0]) + "\n" + to_log_line(state.history[1]) + "\n");
  CHECK(
      read_text(temp / "metrics.csv") ==
      "step,epoch,loss,lr,grad_norm,images_per_second,data_wait_share,skipped_steps\n"
      "10,0,1.5,0,0,0.0,0.000,0\n"
      "20,1,1.5,0,0,0.0,0.000,0\n");
}

}  // namespace vim::train
