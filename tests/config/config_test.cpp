// Parsing, printing, overrides and presets.
#include "src/config/config.h"

#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>
#include <set>

#include "src/config/field.h"
#include "src/core/error.h"
#include "src/models/presets.h"
#include "tests/support/catch.h"
#include "tests/support/temp_folder.h"

using namespace vim::config;

namespace {

RunConfig parse(std::string_view text, const std::vector<std::string>& overrides = {}) {
  return parse_config(text, "run.yaml", overrides);
}

std::vector<std::filesystem::path> shipped_configs() {
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::directory_iterator(VIM_SOURCE_DIR "/configs")) {
    paths.push_back(entry.path());
  }
  return paths;
}

}  // namespace

TEST_CASE("an empty file gives the defaults of the options structs") {
  const RunConfig config = parse("");
  const RunConfig defaults;
  CHECK(config.model.depth == defaults.model.depth);
  CHECK(config.optim.lr == defaults.optim.lr);
  CHECK(config.data.path.empty());
  CHECK(to_yaml(config) == to_yaml(parse("model:\noptim: {}\n")));
}

TEST_CASE("every section and kind of value reaches its field") {
  const RunConfig config = parse(R"(
model:
  img_size: [96, 64]
  patch_size: 8
  expand: 1.5
  dt_rank: 7
  bimamba: v1
  layer_scale: 1e-5
  cls_position: double
  norm: layer
  pos_embed: false
data: {format: cifar100, path: "a \"b\"", val_path: 'it''s', num_classes: 100, workers: 3}
augment:
  crop_scale: [0.5, 0.75]
  mean: [0, 0.5, 1]
  mix_group: 8
optim: {betas: [0.8, 0.99], clip_norm: 1, scale_lr: false}
schedule: {update: step, warmup_epochs: 0.5}
train: {global_batch: 64, micro_batch: 16, seed: 18446744073709551615, precision: bf16}
ema: {enabled: false, decay: 0.5, evaluate: false}
checkpoint: {interval_steps: 250, keep: 5}
compat: {v1_gate_defect: true, schedule_lag: false, decay_A_log: false, unweighted_test_loss: true}
)");
  CHECK(config.model.img_size == std::array<int64_t, 2>{96, 64});
  CHECK(config.model.mixer.expand == 1.5);
  CHECK(config.model.mixer.dt_rank == 7);
  CHECK(config.model.mixer.bimamba == vim::nn::Bimamba::kV1);
  CHECK(config.model.mixer.layer_scale == 1e-5);
  CHECK(config.model.mixer.v1_gate_defect);
  CHECK(config.model.cls_position == vim::models::ClsPosition::kDouble);
  CHECK(config.model.norm == vim::models::Norm::kLayer);
  CHECK_FALSE(config.model.pos_embed);
  CHECK(config.model.num_classes == 100);
  CHECK(config.data.format == vim::data::DataFormat::kCifar100);
  CHECK(config.data.path == "a \"b\"");
  CHECK(config.data.val_path == "it's");
  CHECK(config.data.workers == 3);
  CHECK(config.augment.crop_scale == std::array<double, 2>{0.5, 0.75});
  CHECK(config.augment.mean == std::array<double, 3>{0, 0.5, 1});
  CHECK(config.augment.mix_group == 8);
  CHECK(config.optim.betas == std::array<double, 2>{0.8, 0.99});
  CHECK(config.optim.clip_norm == 1.0);
  CHECK_FALSE(config.optim.scale_lr);
  CHECK_FALSE(config.optim.decay_A_log);
  CHECK(config.schedule.update == vim::optim::ScheduleUpdate::kStep);
  CHECK(config.schedule.warmup_epochs == 0.5);
  CHECK_FALSE(config.schedule.lag);
  CHECK(config.train.seed == std::numeric_limits<uint64_t>::max());
  CHECK(config.train.micro_batch == 16);
  CHECK(config.train.precision == vim::train::Precision::kBFloat16);
  CHECK_FALSE(config.ema.enabled);
  CHECK(config.ema.decay == 0.5);
  CHECK_FALSE(config.ema.evaluate);
  CHECK(config.train.unweighted_test_loss);
  CHECK(config.checkpoint.interval_steps == 250);
  CHECK(config.checkpoint.keep == 5);
}

TEST_CASE("the places of data, labels and indexes are set by their keys") {
  const RunConfig config = parse(
      "data: {format: tar, path: t.tar, val_path: v.tar, train_labels: a, val_labels: b,\n"
      "  synsets: c, index: d, val_index: e}\n");
  CHECK(config.data.format == vim::data::DataFormat::kTar);
  CHECK(config.data.train_labels == "a");
  CHECK(config.data.val_labels == "b");
  CHECK(config.data.synsets == "c");
  CHECK(config.data.index == "d");
  CHECK(config.data.val_index == "e");
  CHECK(parse("{}").data.format == vim::data::DataFormat::kAuto);
}

TEST_CASE("erasing and mixing are set by their keys") {
  const RunConfig config = parse(
      "augment: {erase_prob: 0.5, erase_mode: rand, erase_count: 3, erase_area: [0.1, 0.25],\n"
      "  erase_ratio: 0.5, mix_mode: pair, cutmix_minmax: [0.2, 0.8]}\n");
  CHECK(config.augment.erase_prob == 0.5);
  CHECK(config.augment.erase_mode == vim::data::EraseMode::kRand);
  CHECK(config.augment.erase_count == 3);
  CHECK(config.augment.erase_area == std::array<double, 2>{0.1, 0.25});
  CHECK(config.augment.erase_ratio == 0.5);
  CHECK(config.augment.mix_mode == vim::data::MixMode::kPair);
  CHECK(config.augment.cutmix_minmax == std::array<double, 2>{0.2, 0.8});
  CHECK(to_yaml(parse(to_yaml(config))) == to_yaml(config));
}

TEST_CASE("reading ahead and the cache are off unless their keys say otherwise") {
  CHECK(parse("").data.readers == 0);
  CHECK(parse("").data.cache == vim::data::CacheMode::kNone);
  const RunConfig config =
      parse("data: {readers: 16, read_ahead: 512, cache: decoded, cache_mib: 100}\n");
  CHECK(config.data.readers == 16);
  CHECK(config.data.read_ahead == 512);
  CHECK(config.data.cache == vim::data::CacheMode::kDecoded);
  CHECK(config.data.cache_mib == 100);
  CHECK(parse("data: {cache: encoded}").data.cache == vim::data::CacheMode::kEncoded);
  CHECK(to_yaml(parse(to_yaml(config))) == to_yaml(config));
}

TEST_CASE("the best checkpoint goes by the weights, or by their average on request") {
  CHECK(parse("").checkpoint.best_by == vim::train::BestBy::kModel);
  CHECK(parse("checkpoint: {best_by: ema}\n").checkpoint.best_by == vim::train::BestBy::kEma);
}

TEST_CASE("words stand for zero and for absence") {
  const RunConfig config = parse(
      "model: {dt_rank: auto, layer_scale: none}\n"
      "data: {workers: auto, num_classes: auto}\n"
      "augment: {mix_group: batch, cutmix_minmax: none}\n"
      "optim: {clip_norm: none}\n"
      "train: {micro_batch: auto, eval_interval: last, threads: 0}\n"
      "checkpoint: {interval_steps: epoch}\n");
  CHECK(config.model.mixer.dt_rank == 0);
  CHECK_FALSE(config.model.mixer.layer_scale.has_value());
  CHECK(config.data.workers == 0);
  CHECK(config.data.num_classes == 0);
  CHECK(config.augment.mix_group == 0);
  CHECK_FALSE(config.augment.cutmix_minmax.has_value());
  CHECK_FALSE(config.optim.clip_norm.has_value());
  CHECK(config.train.micro_batch == 0);
  CHECK(config.train.eval_interval == 0);
  CHECK(config.train.threads == 0);
  CHECK(config.checkpoint.interval_steps == 0);
}

TEST_CASE("the number of classes found is taken where the file leaves it open, and only there") {
  RunConfig open = parse("data: {num_classes: auto}\n");
  fill_num_classes(open, 7);
  CHECK(open.data.num_classes == 7);
  CHECK(open.model.num_classes == 7);
  RunConfig fixed = parse("data: {num_classes: 12}\n");
  fill_num_classes(fixed, 7);
  CHECK(fixed.data.num_classes == 12);
  CHECK(fixed.model.num_classes == 12);
}

TEST_CASE("every shipped configuration is valid and survives printing and reading") {
  const std::vector<std::filesystem::path> paths = shipped_configs();
  REQUIRE(paths.size() >= 8);
  for (const std::filesystem::path& path : paths) {
    INFO(path);
    const RunConfig config = load_config(path, {});
    CHECK(config_warnings(config).empty());
    const std::string printed = to_yaml(config);
    CHECK(to_yaml(parse(printed)) == printed);
  }
}

TEST_CASE("every line of the shipped configurations names its source") {
  for (const std::filesystem::path& path : shipped_configs()) {
    std::ifstream file(path);
    for (std::string line; std::getline(file, line);) {
      INFO(path << ": " << line);
      CHECK((!line.starts_with("  ") || line.find("  # ") != std::string::npos));
    }
  }
}

TEST_CASE("printed numbers read back to the last bit") {
  for (const double lr :
       {0.1,
        1.0 / 3,
        5e-324,
        1.7976931348623157e308,
        1e-6,
        123456789.0,
        std::nextafter(0.001, 1.0)}) {
    RunConfig config = parse("");
    config.optim.lr = lr;
    CHECK(parse(to_yaml(config)).optim.lr == lr);
  }
}

TEST_CASE("printed texts read back whatever they hold") {
  RunConfig config = parse("");
  config.data.path = "a\\b\"c\t# d: [e]\x01\xC3\xA9\n'";
  CHECK(parse(to_yaml(config)).data.path == config.data.path);
}

TEST_CASE("printing shows every field once with its meaning, in the table's order") {
  const std::string printed = to_yaml(parse("model: {preset: vim_small}"));
  size_t position = 0;
  std::set<std::string_view> keys;
  for (const Field& field : all_fields()) {
    INFO(field.key);
    CHECK(keys.insert(field.key).second);
    const std::string leaf(split_key(field.key).second);
    position = printed.find("\n  " + leaf + ": ", position);
    REQUIRE(position != std::string::npos);
    CHECK(printed.find("# " + std::string(field.doc) + "\n", position) != std::string::npos);
  }
  CHECK(section_names().size() == 12);  // a section that appeared twice would break the YAML
}

TEST_CASE("a preset fills the model and other keys override it wherever they stand") {
  const RunConfig config = parse("model: {stride: 4, preset: vim_small_stride8, depth: 6}");
  CHECK(config.model.preset == "vim_small_stride8");
  CHECK(config.model.mixer.embed_dim == 384);
  CHECK(config.model.stride == 4);
  CHECK(config.model.depth == 6);
}

TEST_CASE("presets have the published sizes") {
  using vim::models::preset_options;
  const auto tokens = [](std::string_view name) { return preset_options(name).num_tokens(); };
  CHECK(preset_options("vim_tiny").mixer.embed_dim == 192);
  CHECK(preset_options("vim_small").mixer.embed_dim == 384);
  CHECK(preset_options("vim_base").mixer.embed_dim == 768);
  CHECK(preset_options("vim_base").mixer.effective_dt_rank() == 48);
  CHECK(tokens("vim_tiny") == 197);
  CHECK(tokens("vim_base") == 197);
  CHECK(tokens("vim_tiny_stride8") == 730);
  CHECK(tokens("vim_small_stride8") == 730);
  CHECK(vim::models::preset_names().size() == 5);
  CHECK_THROWS_WITH(preset_options("vim_huge"), Catch::Contains("vim_tiny, vim_small"));
}

TEST_CASE("official model names are aliases of the presets") {
  const RunConfig config = parse(
      "model: {preset: vim_base_patch16_224_bimambav2_final_pool_mean_abs_pos_embed_with_middle_"
      "cls_token_div2}");
  CHECK(config.model.preset == "vim_base");
  CHECK(config.model.mixer.embed_dim == 768);
}

TEST_CASE("overrides win over the file, the last one over the earlier") {
  const RunConfig config = parse(
      "model: {preset: vim_tiny, depth: 6}\noptim: {lr: 1}\n",
      {"optim.lr=2",
       "optim.lr=3e-4",
       "model.preset=vim_base",
       "optim.betas=[0.5, 0.25]",
       "data.path=\"x y\"",
       "data.val_path=a=b"});
  CHECK(config.optim.lr == 3e-4);
  CHECK(config.model.mixer.embed_dim == 768);
  CHECK(config.model.depth == 6);
  CHECK(config.optim.betas == std::array<double, 2>{0.5, 0.25});
  CHECK(config.data.path == "x y");
  CHECK(config.data.val_path == "a=b");
}

TEST_CASE("odd but allowed settings are warned about") {
  CHECK(config_warnings(parse("")).empty());
  const auto warnings = config_warnings(parse(
      "model: {pos_embed: false, drop_rate: 0.1, rope_residual: true}\nschedule: {min_lr: 1}\n"
      "augment: {three_augment: true}\n"));
  REQUIRE(warnings.size() == 4);
  CHECK_THAT(warnings[0], Catch::Contains("model.drop_rate"));
  CHECK_THAT(warnings[1], Catch::Contains("model.rope_residual"));
  CHECK_THAT(warnings[2], Catch::Contains("schedule.min_lr"));
  CHECK_THAT(warnings[3], Catch::Contains("augment.erase_prob"));
}

TEST_CASE("files that cannot be read are refused by name") {
  const vim::test::TempFolder folder;
  CHECK_THROWS_WITH(
      load_config(folder / "absent.yaml", {}), Catch::Contains("absent.yaml: cannot"));
  CHECK_THROWS_WITH(load_config(folder.path(), {}), Catch::Contains("it is a folder"));
  const std::filesystem::path large = folder / "large.yaml";
  std::ofstream(large) << std::string(2 << 20, ' ');
  CHECK_THROWS_WITH(load_config(large, {}), Catch::Contains("more than 1 MiB"));
}
