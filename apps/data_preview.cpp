// The first images of an epoch through the training loop's own transform, loader and order, so that
// the same epoch of a run sees the same pixels. Erasing and mixing come after the loader.
#include "apps/data_preview.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "apps/app_main.h"
#include "src/config/config.h"
#include "src/core/atomic_file.h"
#include "src/core/error.h"
#include "src/data/contact_sheet.h"
#include "src/data/image/opencv_formats.h"
#include "src/data/loader.h"
#include "src/data/sampler.h"
#include "src/data/training_set.h"

namespace vim::apps {
namespace {

struct Arguments {
  std::string config;
  std::vector<std::string> overrides;
  std::string out;     // a PNG file
  int64_t count = 64;  // images
  int64_t epoch = 0;
};

// As the training loop has it, its partial last batch left out where there are full ones.
std::vector<int64_t> epoch_order(
    const config::RunConfig& config, const data::Dataset& dataset, int64_t epoch) {
  std::vector<int64_t> order = data::training_order(
      dataset,
      {config.data.sampler, config.augment.repeated, config.train.seed},
      static_cast<uint64_t>(epoch));
  const auto batch = static_cast<size_t>(config.train.global_batch);
  if (order.size() > batch) {
    order.resize(order.size() / batch * batch);
  }
  if (order.empty()) {
    throw Error("augment.repeated: needs at least 256 training images; set it to false");
  }
  return order;
}

data::LoaderOptions preview_loader(const config::RunConfig& config, int64_t count) {
  data::LoaderOptions options = data::loader_options(config.data);
  options.batch_size = count;
  options.prefetch_batches = 1;
  options.seed = config.train.seed;
  return options;
}

// The first batch of the epoch, at most `count` images.
std::vector<data::SheetTile> load_tiles(
    const Arguments& options, const config::RunConfig& config, const data::Dataset& dataset) {
  const auto [height, width] = config.model.img_size;
  const data::TrainTransform transform(config.augment, height, width);
  data::Loader loader(dataset, transform, preview_loader(config, options.count));
  loader.start(epoch_order(config, dataset, options.epoch), static_cast<uint64_t>(options.epoch));
  const data::LoadedBatch& batch = *loader.next();
  std::vector<data::SheetTile> tiles;
  const int64_t num_bytes = height * width * 3;
  for (int64_t i = 0; i < batch.size; ++i) {
    const uint8_t* pixels = batch.images + i * num_bytes;
    const int64_t label = batch.labels[static_cast<size_t>(i)];
    tiles.push_back(
        {{height, width, {pixels, pixels + num_bytes}},
         fmt::format("{} {}", label, dataset.class_names().at(static_cast<size_t>(label)))});
  }
  return tiles;
}

int preview(const Arguments& options) {
  if (!options.out.ends_with(".png")) {
    throw Error(fmt::format("{}: is not the name of a PNG file; let it end in .png", options.out));
  }
  const config::RunConfig config = config::load_config(options.config, options.overrides);
  const auto dataset = data::open_training_set(config.data);
  const std::vector<data::SheetTile> tiles = load_tiles(options, config, *dataset);
  const auto columns =
      static_cast<int64_t>(std::ceil(std::sqrt(static_cast<double>(tiles.size()))));
  const std::string title =
      fmt::format("epoch {}, {} images; erasing and mixing not shown", options.epoch, tiles.size());
  const std::vector<uint8_t> png = data::encode_png(data::contact_sheet(tiles, columns, title));
  core::write_file_atomically(options.out, {reinterpret_cast<const char*>(png.data()), png.size()});
  fmt::print("{}: {}\n", options.out, title);
  return kExitDone;
}

}  // namespace

void declare_data_preview(CLI::App& app, std::function<int()>& run) {
  auto options = std::make_shared<Arguments>();
  CLI::App* command = app.add_subcommand("preview", "a sheet of augmented training images");
  command->add_option("OUT", options->out, "PNG file to write")->required();
  command->add_option("--config", options->config, "YAML file of the run")->required();
  command->add_option("--set", options->overrides, "key=value, over the file; may be repeated")
      ->take_all()
      ->allow_extra_args(false);
  command->add_option("--count", options->count, "images")
      ->capture_default_str()
      ->check(CLI::Range(1, 4096));
  command->add_option("--epoch", options->epoch, "whose draws and order")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
  command->callback([options, &run] { run = [options] { return preview(*options); }; });
}

}  // namespace vim::apps
