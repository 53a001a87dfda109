// The images are visited in blocks, each by all threads; between two blocks nothing is under way,
// so that is when the state is saved and a request to stop is heard.
#include "apps/image_pass.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <memory>
#include <thread>
#include <utility>

#include "apps/progress.h"
#include "src/config/field.h"
#include "src/core/error.h"
#include "src/core/logging.h"
#include "src/core/run_threads.h"
#include "src/core/stop_request.h"
#include "src/data/pass_state.h"

namespace vim::apps {
namespace {

constexpr int64_t kBlockOfThread = 32;     // images of a block for each thread
constexpr double kSaveInterval = 5.0;      // seconds
constexpr double kMostSavingShare = 0.02;  // of the time

int64_t num_threads(const ImagePassOptions& options) {
  const int64_t cores = std::max(1U, std::thread::hardware_concurrency());
  return options.threads > 0 ? options.threads : cores;
}

std::filesystem::path state_path(const ImagePassOptions& options, const std::string& command) {
  if (!options.state.empty()) {
    return options.state;
  }
  const auto path = std::filesystem::absolute(options.path).lexically_normal();
  const auto name = path.has_filename() ? path.filename() : path.parent_path().filename();
  return fmt::format("{}.{}.state", command, name.string());
}

void visit_block(PassWork& work, int64_t begin, int64_t end, int64_t threads) {
  std::atomic<int64_t> next = begin;
  core::run_threads(threads, [&work, &next, end] {
    std::vector<uint8_t> buffer;
    for (int64_t index = next++; index < end; index = next++) {
      work.visit(index, buffer);
    }
  });
}

// Saves after the first block, and then from time to time: seldom enough to cost next to nothing.
class StateSaver {
 public:
  StateSaver(std::filesystem::path path, std::string purpose, std::string data_set)
      : path_(std::move(path)), state_{std::move(purpose), std::move(data_set), 0, {}} {}

  void save(const PassWork& work, int64_t num_done) {
    const auto start = Clock::now();
    state_.num_done = num_done;
    state_.found = work.save(num_done);
    data::save_pass_state(path_, state_);
    const Clock::duration cost = Clock::now() - start;
    due_ = start + std::max<Clock::duration>(
                       std::chrono::duration_cast<Clock::duration>(
                           std::chrono::duration<double>(kSaveInterval)),
                       std::chrono::duration_cast<Clock::duration>(cost / kMostSavingShare));
  }

  bool is_due() const { return Clock::now() >= due_; }

 private:
  using Clock = std::chrono::steady_clock;

  std::filesystem::path path_;
  data::PassState state_;
  Clock::time_point due_ = Clock::now();
};

// Images done by an earlier run, which the work then knows.
int64_t resume(
    const std::filesystem::path& path,
    const std::string& purpose,
    const std::string& data_set,
    PassWork& work) {
  const auto state = data::load_pass_state(path, purpose, data_set);
  if (!state) {
    return 0;
  }
  work.restore(state->found);
  spdlog::info("{}: going on after {} images", path.string(), state->num_done);
  return state->num_done;
}

}  // namespace

void add_image_pass_options(CLI::App& command, ImagePassOptions& options) {
  command.add_option("PATH", options.path, "the images")->required();
  command.add_option("--format", options.format, "as data.format in a configuration")
      ->capture_default_str();
  command.add_option("--labels", options.labels, "label list, where no folders tell the classes");
  command.add_option("--synsets", options.synsets, "which class each number of --labels is");
  command.add_flag("--test", options.is_test, "the test part, where PATH holds both parts");
  command.add_option("--threads", options.threads, "threads; 0: one for each core")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
  command.add_option("--state", options.state, "state file; default: COMMAND.NAME.state here");
  command.add_option("--json", options.json, "write the result to this file");
}

std::unique_ptr<data::Dataset> open_images(const ImagePassOptions& options) {
  config::RunConfig config;
  const config::Field& field = *config::find_field("data.format");
  if (!field.set(config, {config::Value::Kind::kScalar, {options.format}, false})) {
    throw Error(fmt::format("--format {}: is unknown; use {}", options.format, field.expected));
  }
  return data::open_dataset(
      {config.data.format, options.path, !options.is_test, options.labels, options.synsets});
}

ImagePass::ImagePass(
    const ImagePassOptions& options, const std::string& command, std::string purpose)
    : options_(options),
      command_(command),
      purpose_(std::move(purpose)),
      state_(state_path(options, command)) {}

bool ImagePass::run(const data::Dataset& dataset, PassWork& work) {
  core::install_stop_handlers();
  const std::string data_set = data::fingerprint(dataset);
  const int64_t first = resume(state_, purpose_, data_set, work);
  const int64_t size = dataset.size();
  const int64_t threads = num_threads(options_);
  StateSaver saver(state_, purpose_, data_set);
  Progress progress(command_, "img", size, first);
  int64_t done = first;
  while (done < size && !core::stop_requested()) {
    const int64_t end = std::min(size, done + threads * kBlockOfThread);
    visit_block(work, done, end, threads);
    done = end;
    progress.update(done);
    if (saver.is_due() && done < size) {
      saver.save(work, done);
    }
  }
  progress.finish();
  num_fresh_ = done - first;
  seconds_ = progress.seconds();
  if (done < size) {
    saver.save(work, done);
    spdlog::info("stopped after {} of {} images; run this again to go on", done, size);
  }
  return done == size;
}

void ImagePass::finish() {
  fmt::print(
      "{} images in {:.1f} s, {:.1f} img/s\n",
      num_fresh_,
      seconds_,
      static_cast<double>(num_fresh_) / std::max(seconds_, 1e-9));
  std::filesystem::remove(state_);
}

}  // namespace vim::apps
