// Two statistics in one pass: over every pixel of the decoded images, where large images weigh
// more, and over the evaluation views, where all weigh alike.
#include "apps/data_stats.h"

#include <fmt/format.h>

#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <sstream>

#include "apps/image_pass.h"
#include "src/core/atomic_file.h"
#include "src/core/logging.h"
#include "src/core/stop_request.h"
#include "src/data/channel_stats.h"
#include "src/data/image/decode.h"
#include "src/data/transform.h"

namespace vim::apps {
namespace {

using data::ChannelStats;

struct Arguments {
  ImagePassOptions pass;
  int64_t img_size = 224;  // of the evaluation view
};

class StatsWork : public PassWork {
 public:
  StatsWork(const data::Dataset& dataset, int64_t img_size)
      : dataset_(dataset), view_(data::AugmentOptions{}, img_size, img_size) {}

  void visit(int64_t index, std::vector<uint8_t>& buffer) override {
    ChannelStats whole;
    ChannelStats view;
    try {
      const data::Image image = data::read_image(dataset_, index);
      whole.add(image.pixels);
      buffer.resize(static_cast<size_t>(view_.height() * view_.width() * 3));
      data::apply(view_, data::view_of(image), {}, buffer.data());
      view.add(buffer);
    } catch (const data::BadImage& bad) {
      spdlog::warn("{}: left out: {}", dataset_.name(index), bad.what());
    }
    const std::lock_guard lock(mutex_);
    num_bad_ += view.num_pixels() == 0 ? 1 : 0;
    whole_.add(whole);
    view_stats_.add(view);
  }

  std::string save(int64_t /*num_done*/) const override {
    return fmt::format("{}\n{}\n{}\n", num_bad_, whole_.to_text(), view_stats_.to_text());
  }

  void restore(const std::string& found) override {
    std::istringstream in(found);
    std::string line;
    in >> num_bad_;
    std::getline(in, line);
    std::getline(in, line);
    whole_ = ChannelStats::from_text(line);
    std::getline(in, line);
    view_stats_ = ChannelStats::from_text(line);
  }

  int64_t num_bad() const { return num_bad_; }
  const ChannelStats& whole() const { return whole_; }
  const ChannelStats& view() const { return view_stats_; }

 private:
  const data::Dataset& dataset_;
  data::EvalTransform view_;
  std::mutex mutex_;  // guards what follows
  int64_t num_bad_ = 0;
  ChannelStats whole_;
  ChannelStats view_stats_;
};

std::string yaml_list(const std::array<double, 3>& values) {
  return fmt::format("[{:.6f}]", fmt::join(values, ", "));
}

void print(const StatsWork& work, int64_t img_size) {
  fmt::print("# every pixel of the images as they are: {} pixels\n", work.whole().num_pixels());
  fmt::print("#   mean: {}\n", yaml_list(work.whole().mean()));
  fmt::print("#   std: {}\n", yaml_list(work.whole().std()));
  fmt::print("# the evaluation views of {} x {} pixels\n", img_size, img_size);
  fmt::print("augment:\n");
  fmt::print("  mean: {}\n", yaml_list(work.view().mean()));
  fmt::print("  std: {}\n", yaml_list(work.view().std()));
  if (work.num_bad() > 0) {
    fmt::print("# without {} bad images\n", work.num_bad());
  }
}

nlohmann::ordered_json to_json(const ChannelStats& stats) {
  return {{"pixels", stats.num_pixels()}, {"mean", stats.mean()}, {"std", stats.std()}};
}

int stats(const Arguments& options) {
  const auto dataset = open_images(options.pass);
  ImagePass pass(options.pass, "stats", fmt::format("stats {}", options.img_size));
  StatsWork work(*dataset, options.img_size);
  if (!pass.run(*dataset, work)) {
    return core::kExitResumable;
  }
  print(work, options.img_size);
  if (!options.pass.json.empty()) {
    const nlohmann::ordered_json json = {
        {"images", dataset->size()},
        {"bad", work.num_bad()},
        {"img_size", options.img_size},
        {"whole", to_json(work.whole())},
        {"view", to_json(work.view())}};
    core::write_file_atomically(options.pass.json, json.dump(2) + "\n");
  }
  pass.finish();
  return kExitDone;
}

}  // namespace

void declare_data_stats(CLI::App& app, std::function<int()>& run) {
  auto options = std::make_shared<Arguments>();
  CLI::App* command = app.add_subcommand("stats", "mean and deviation of the colours");
  add_image_pass_options(*command, options->pass);
  command->add_option("--img-size", options->img_size, "side of the evaluation view")
      ->capture_default_str()
      ->check(CLI::Range(1, 16384));
  command->callback([options, &run] { run = [options] { return stats(*options); }; });
}

}  // namespace vim::apps
