// All measurements take turns, so that whatever else the machine does hits them alike; the fastest
// of each counts. The loader drains whole epochs into ordinary memory.
#include "apps/bench_loader.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <nlohmann/json.hpp>
#include <thread>

#include "apps/bench_decode.h"
#include "kernels/backend.h"
#include "src/core/atomic_file.h"
#include "src/data/loader.h"
#include "src/data/sampler.h"
#include "src/data/source/dataset.h"

namespace vim::apps {
namespace {

constexpr int64_t kImgSize = 224;
constexpr int64_t kBatchSize = 64;

// What is done to the images, and how they are decoded for it.
struct Recipe {
  std::unique_ptr<data::Transform> transform;
  bool is_shuffled = true;
};

struct Recipes {
  Recipe plain;  // random resized crop, bicubic, and flip
  Recipe full;   // the official one: RandAugment too
  Recipe eval;
};

Recipes make_recipes() {
  data::AugmentOptions options;
  Recipes recipes;
  recipes.plain.transform = std::make_unique<data::TrainTransform>(options, kImgSize, kImgSize);
  options.auto_augment = "rand-m9-mstd0.5-inc1";
  options.color_jitter = 0.3;
  recipes.full.transform = std::make_unique<data::TrainTransform>(options, kImgSize, kImgSize);
  recipes.eval = {std::make_unique<data::EvalTransform>(options, kImgSize, kImgSize), false};
  return recipes;
}

// Images a second, of the fastest run so far.
class Rate {
 public:
  void add(int64_t images, double seconds) {
    best_ = std::max(best_, static_cast<double>(images) / seconds);
  }
  double best() const { return best_; }

 private:
  double best_ = 0.0;
};

struct LoaderRates {
  std::string decode;
  Rate plain;
  Rate full;
  Rate eval;
};

// All figures of one thread count.
struct ThreadRates {
  int64_t threads = 1;
  Rate bare;
  std::vector<LoaderRates> loaders;  // by way of decoding
};

struct Turn {
  const data::Dataset& dataset;
  int64_t threads = 1;
  std::string decode;
  int64_t epoch = 0;
};

data::LoaderOptions loader_options(const Turn& turn) {
  data::LoaderOptions options;
  options.batch_size = kBatchSize;
  options.workers = turn.threads;
  options.decode.mode = turn.decode == "fast" ? data::DecodeMode::kFast : data::DecodeMode::kExact;
  return options;
}

double seconds_to_load(const Turn& turn, const Recipe& recipe) {
  data::Loader loader(turn.dataset, *recipe.transform, loader_options(turn));
  const auto epoch = static_cast<uint64_t>(turn.epoch);
  const data::ShardOptions shard{.epoch = epoch, .shuffle = recipe.is_shuffled};
  std::vector<int64_t> order = data::distributed_order(turn.dataset.size(), shard);
  const auto start = std::chrono::steady_clock::now();
  loader.start(std::move(order), epoch);
  while (loader.next() != nullptr) {
  }
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

void take_turn(const Turn& turn, const Recipes& recipes, LoaderRates& rates) {
  const int64_t images = turn.dataset.size();
  rates.plain.add(images, seconds_to_load(turn, recipes.plain));
  rates.full.add(images, seconds_to_load(turn, recipes.full));
  rates.eval.add(images, seconds_to_load(turn, recipes.eval));
}

ThreadRates measure(
    const BenchLoaderOptions& options, const data::Dataset& dataset, int64_t threads) {
  const Recipes recipes = make_recipes();
  ThreadRates rates{threads, {}, {}};
  for (const std::string decode : {"exact", "fast"}) {
    if (options.decode == decode || options.decode == "both") {
      rates.loaders.push_back({decode, {}, {}, {}});
    }
  }
  for (int64_t repeat = 0; repeat < options.repeats; ++repeat) {
    rates.bare.add(dataset.size(), seconds_to_decode(dataset, threads));
    for (LoaderRates& loader : rates.loaders) {
      take_turn({dataset, threads, loader.decode, repeat}, recipes, loader);
    }
  }
  return rates;
}

void print_header(const data::Dataset& dataset, const std::string& machine) {
  fmt::print(
      "{} images on {}; images a second, and their ratio to the bare decoder\n",
      dataset.size(),
      machine);
  fmt::print(
      "{:>7}  {:<6} {:>8} {:>14} {:>14} {:>14}\n",
      "threads",
      "decode",
      "bare",
      "train plain",
      "train recipe",
      "evaluation");
}

nlohmann::ordered_json report(const ThreadRates& rates, const LoaderRates& loader) {
  const double bare = rates.bare.best();
  const auto cell = [bare](const Rate& rate) {
    return fmt::format("{:.1f} {:.2f}", rate.best(), rate.best() / bare);
  };
  fmt::print(
      "{:>7}  {:<6} {:>8.1f} {:>14} {:>14} {:>14}\n",
      rates.threads,
      loader.decode,
      bare,
      cell(loader.plain),
      cell(loader.full),
      cell(loader.eval));
  return {
      {"threads", rates.threads},
      {"decode", loader.decode},
      {"decode_full_img_s", bare},
      {"train_plain_img_s", loader.plain.best()},
      {"train_recipe_img_s", loader.full.best()},
      {"eval_img_s", loader.eval.best()},
      {"plain_ratio", loader.plain.best() / bare},
      {"recipe_ratio", loader.full.best() / bare},
      {"eval_ratio", loader.eval.best() / bare}};
}

std::vector<int64_t> thread_counts(const BenchLoaderOptions& options) {
  if (!options.threads.empty()) {
    return options.threads;
  }
  return std::thread::hardware_concurrency() > 1 ? std::vector<int64_t>{1, 2}
                                                 : std::vector<int64_t>{1};
}

}  // namespace

CLI::App* add_bench_loader(CLI::App& app, BenchLoaderOptions& options) {
  CLI::App* loader = app.add_subcommand("loader", "The data pipeline beside a bare JPEG decoder");
  loader->add_option("--data", options.data, "Image folder: DIR/CLASS/IMAGE")->required();
  loader->add_option("--threads", options.threads, "Thread counts; default: 1 and 2")
      ->delimiter(',')
      ->check(CLI::PositiveNumber);
  loader->add_option("--decode", options.decode, "exact, fast or both")
      ->capture_default_str()
      ->check(CLI::IsMember({"exact", "fast", "both"}));
  loader->add_option("--repeats", options.repeats, "Runs of each, of which the fastest counts")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  loader->add_option("--json", options.json, "Write the figures to this file");
  return loader;
}

int bench_loader(const BenchLoaderOptions& options) {
  const auto dataset = data::open_dataset({data::DataFormat::kAuto, options.data});
  const std::string machine = fmt::format(
      "{} cores, {}", std::thread::hardware_concurrency(), kernels::current_cpu_backend());
  seconds_to_decode(*dataset, 1);  // brings the files into memory, and shows those that are bad
  print_header(*dataset, machine);
  nlohmann::ordered_json json = {
      {"data", options.data},
      {"images", dataset->size()},
      {"device", machine},
      {"img_size", kImgSize},
      {"batch", kBatchSize},
      {"repeats", options.repeats},
      {"results", nlohmann::ordered_json::array()}};
  for (const int64_t threads : thread_counts(options)) {
    const ThreadRates rates = measure(options, *dataset, threads);
    for (const LoaderRates& loader : rates.loaders) {
      json["results"].push_back(report(rates, loader));
    }
  }
  if (!options.json.empty()) {
    core::write_file_atomically(options.json, json.dump(2) + "\n");
  }
  return kExitDone;
}

}  // namespace vim::apps
