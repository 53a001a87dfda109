// The first images of an epoch through the training loop's own order, loader, transform, erasing
// and mixing, so that the same epoch of a run sees the same pixels.
#include "apps/data_preview.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "apps/app_main.h"
#include "src/config/config.h"
#include "src/core/atomic_file.h"
#include "src/core/error.h"
#include "src/data/contact_sheet.h"
#include "src/data/image/opencv_formats.h"
#include "src/data/loader.h"
#include "src/data/mix.h"
#include "src/data/sampler.h"
#include "src/data/step_view.h"
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

// A batch is one mixing group, since an image needs its partner.
data::LoaderOptions preview_loader(const config::RunConfig& config, int64_t group_size) {
  constexpr int64_t kImagesAhead = 64;
  data::LoaderOptions options = data::loader_options(config.data);
  options.batch_size = group_size;
  options.prefetch_batches = std::max<int64_t>(kImagesAhead / group_size, 1);
  options.seed = config.train.seed;
  return options;
}

// Where in the run a batch of an epoch stands.
data::StepImages place_of(
    const data::LoadedBatch& batch,
    const config::RunConfig& config,
    int64_t epoch,
    int64_t epoch_size) {
  const int64_t global_batch = config.train.global_batch;
  const int64_t step = epoch * (epoch_size / global_batch) + batch.first_position / global_batch;
  return {
      config.train.seed,
      static_cast<uint64_t>(step),
      batch.first_position % global_batch,
      batch.size};
}

// The class, and that of the partner where there is one; its share in percent.
std::string label_of(
    const data::StepView& view,
    int64_t label,
    int64_t partner_label,
    const std::vector<std::string>& class_names) {
  const auto name = [&](int64_t number) {
    return fmt::format("{} {}", number, class_names.at(static_cast<size_t>(number)));
  };
  const double share = view.mix.target_lambda;
  return share == 1.0
             ? name(label)
             : fmt::format("{:.0f} % {}, {}", 100 * share, name(label), name(partner_label));
}

// The first images of the epoch, at most as many as asked for.
std::vector<data::SheetTile> load_tiles(
    const Arguments& options, const config::RunConfig& config, const data::Dataset& dataset) {
  const auto [height, width] = config.model.img_size;
  const data::TrainTransform transform(config.augment, height, width);
  const std::vector<int64_t> order = epoch_order(config, dataset, options.epoch);
  const auto epoch_size = static_cast<int64_t>(order.size());
  const int64_t group_size =
      std::min(data::mix_group_size(config.augment, config.train.global_batch), epoch_size);
  data::Loader loader(dataset, transform, preview_loader(config, group_size));
  loader.start(order, static_cast<uint64_t>(options.epoch));
  const auto count = static_cast<size_t>(std::min(options.count, epoch_size));
  std::vector<data::SheetTile> tiles;
  while (tiles.size() < count) {
    const data::LoadedBatch& batch = *loader.next();
    const data::StepImages place = place_of(batch, config, options.epoch, epoch_size);
    std::vector<data::StepView> views =
        data::view_step(batch.images, {height, width}, config.augment, group_size, place);
    views.resize(std::min(views.size(), count - tiles.size()));
    for (size_t i = 0; i < views.size(); ++i) {
      const int64_t partner_label = batch.labels[static_cast<size_t>(views[i].partner)];
      tiles.push_back(
          {std::move(views[i].image),
           label_of(views[i], batch.labels[i], partner_label, dataset.class_names())});
    }
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
  const std::string title = fmt::format("epoch {}, {} images", options.epoch, tiles.size());
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
