// Every kind of mistake, with its exact line, key and remedy.
#include <string>
#include <vector>

#include "tests/config/config_errors.h"
#include "tests/support/catch.h"

using vim::test::config_error;

TEST_CASE("unknown keys and values of a wrong type are named with line, key and remedy") {
  const auto [text, error] = GENERATE(table<std::string, std::string>({
      {"model:\n  depht: 3\n", "run.yaml:2: model.depht: unknown key; did you mean depth?"},
      {"modle:\n  depth: 3\n", "run.yaml:1: modle: unknown section; did you mean model?"},
      {"\n\nzzzzzzzz: 1\n",
       "run.yaml:3: zzzzzzzz: unknown section; use one of model, data, augment, finetune, loss, "
       "distillation, optim, schedule, train, ema, checkpoint, compat"},
      {"model: {num_classes: 10}\n",
       "run.yaml:1: model.num_classes: unknown key; did you mean data.num_classes?"},
      {"optim: {xyzxyzxyz: 10}\n",
       "run.yaml:1: optim.xyzxyzxyz: unknown key; --print-config lists all keys"},
      {"optim:\n  lr: fast\n", "run.yaml:2: optim.lr: got fast; use a number of at least 0"},
      {"optim:\n  lr: -1\n", "run.yaml:2: optim.lr: got -1; use a number of at least 0"},
      {"optim:\n  lr: \"1\"\n", "run.yaml:2: optim.lr: got \"1\"; use a number of at least 0"},
      {"optim:\n  lr: .inf\n", "run.yaml:2: optim.lr: got .inf; use a number of at least 0"},
      {"optim:\n  lr: nan\n", "run.yaml:2: optim.lr: got nan; use a number of at least 0"},
      {"optim:\n  lr: 1e999\n", "run.yaml:2: optim.lr: got 1e999; use a number of at least 0"},
      {"optim:\n  lr:\n", "run.yaml:2: optim.lr: got nothing; use a number of at least 0"},
      {"optim:\n  lr: [1]\n", "run.yaml:2: optim.lr: got [1]; use a number of at least 0"},
      {"optim:\n  lr: {a: 1}\n",
       "run.yaml:2: optim.lr: got a nested section; use a number of at least 0"},
      {"optim: {betas: [0.9, 1]}\n",
       "run.yaml:1: optim.betas: got [0.9, 1]; use a list of 2 numbers, each a number from 0 to "
       "below 1"},
      {"optim: {betas: [0.9]}\n",
       "run.yaml:1: optim.betas: got [0.9]; use a list of 2 numbers, each a number from 0 to "
       "below 1"},
      {"optim: {clip_norm: 0}\n",
       "run.yaml:1: optim.clip_norm: got 0; use none or a number above 0"},
      {"optim: {scale_lr: yes}\n", "run.yaml:1: optim.scale_lr: got yes; use true or false"},
      {"optim: {scale_lr: ture}\n", "run.yaml:1: optim.scale_lr: got ture; did you mean true?"},
  }));
  INFO(text);
  CHECK(config_error(text) == error);
}

TEST_CASE("values outside their range or set of words are named with what is taken") {
  const auto [text, error] = GENERATE(table<std::string, std::string>({
      {"data: {readers: -1}\n", "run.yaml:1: data.readers: got -1; use an integer from 0 to 1024"},
      {"data: {cache_mib: 0}\n",
       "run.yaml:1: data.cache_mib: got 0; use an integer from 1 to 16777216"},
      {"model: {d_conv: 9}\n", "run.yaml:1: model.d_conv: got 9; use an integer from 1 to 8"},
      {"model: {d_conv: 0}\n", "run.yaml:1: model.d_conv: got 0; use an integer from 1 to 8"},
      {"model: {d_state: 257}\n",
       "run.yaml:1: model.d_state: got 257; use an integer from 1 to 256"},
      {"model: {d_state: 1.5}\n",
       "run.yaml:1: model.d_state: got 1.5; use an integer from 1 to 256"},
      {"model: {stride: 0}\n", "run.yaml:1: model.stride: got 0; use an integer from 1 to 8192"},
      {"model: {token_flip_prob: 1.1}\n",
       "run.yaml:1: model.token_flip_prob: got 1.1; use a number from 0 to 1"},
      {"model: {preset: vim_tinny}\n",
       "run.yaml:1: model.preset: got vim_tinny; did you mean vim_tiny?"},
      {"model: {preset: resnet}\n",
       "run.yaml:1: model.preset: got resnet; use one of none, vim_tiny, vim_small, vim_base, "
       "vim_tiny_stride8, vim_small_stride8"},
      {"model: {bimamba: both_ways}\n",
       "run.yaml:1: model.bimamba: got both_ways; use one of none, v1, v2"},
      {"train: {precision: float64}\n",
       "run.yaml:1: train.precision: got float64; use one of fp32, bf16, fp16"},
      {"train: {precision: fp33}\n", "run.yaml:1: train.precision: got fp33; did you mean fp32?"},
      {"train: {device: gpu}\n", "run.yaml:1: train.device: got gpu; did you mean cpu?"},
      {"train: {recompute: all}\n",
       "run.yaml:1: train.recompute: got all; use one of none, cheap, mixer, block"},
      {"train: {micro_batch: most}\n",
       "run.yaml:1: train.micro_batch: got most; use auto or an integer from 1 to 1048576"},
      {"train: {seed: -1}\n",
       "run.yaml:1: train.seed: got -1; use an integer from 0 to 18446744073709551615"},
      {"model: {img_size: [1, 2, 3]}\n",
       "run.yaml:1: model.img_size: got [1, 2, 3]; use an integer from 1 to 8192, or [height, "
       "width] of such"},
      {"data: {path: [a]}\n", "run.yaml:1: data.path: got [a]; use a text (\"\" for none)"},
  }));
  INFO(text);
  CHECK(config_error(text) == error);
}

TEST_CASE("duplicate keys and wrong nesting are named with their line") {
  const auto [text, error] = GENERATE(table<std::string, std::string>({
      {"model:\n  depth: 3\n  depth: 4\n",
       "run.yaml:3: model.depth: set twice, first in line 2; remove one of them"},
      {"model:\n  depth: 3\nmodel:\n  depth: 4\n",
       "run.yaml:3: model: set twice, first in line 1; remove one of them"},
      {"model: 3\n", "run.yaml:1: model: 3 stands here; write keys below it"},
      {"- a\n", "run.yaml:1: expected sections; write section: and its keys below"},
      {"model:\n  [a]: 3\n", "run.yaml:2: a key is missing or no plain word; write key: value"},
  }));
  INFO(text);
  CHECK(config_error(text) == error);
}

TEST_CASE("texts that are not YAML are refused with the line") {
  CHECK_THAT(
      config_error("model:\n  depth: [3\n"), Catch::StartsWith("run.yaml:3: not valid YAML"));
  CHECK_THAT(config_error("model:\n\tdepth: 3\n"), Catch::StartsWith("run.yaml:2: not valid YAML"));
  CHECK_THAT(
      config_error("model: {}\n---\nmodel: {}\n"), Catch::Contains("more than one YAML document"));
  const std::string text = GENERATE("a: 1\n---\nb: 1\n", "a: 1\n]\n", "--- a\n--- b\n", "{}\n,\n");
  INFO(text);
  CHECK_FALSE(config_error(text).empty());
}

TEST_CASE("rules across keys name the key to change, where it was set") {
  const auto [text, error] = GENERATE(table<std::string, std::string>({
      {"model:\n  img_size: [8, 64]\n  patch_size: 16\n",
       "run.yaml:3: model.patch_size: 16 is larger than model.img_size [8, 64]; use at most 8"},
      {"model:\n  img_size: 8\n",
       "run.yaml:2: model.patch_size: 16 is larger than model.img_size [8, 8]; use at most 8"},
      {"model:\n  depth: 5\n  bidirectional_pairs: true\n",
       "run.yaml:3: model.bidirectional_pairs: pairs need an even model.depth, 5 leaves the last "
       "layer unused; use 6"},
      {"model:\n  pool: max\n",
       "run.yaml:2: model.pool: max and all need model without class token; set "
       "model.cls_position: none, or model.pool: mean"},
      {"model: {channels: 1}\n",
       "run.yaml:1: model.channels: 1, but images are read as RGB; use 3"},
      {"model: {rope: true, embed_dim: 30}\n",
       "run.yaml:1: model.embed_dim: 30 is no multiple of 4, as model.rope needs; use 32"},
      {"model: {expand: 0.01, embed_dim: 8}\n",
       "run.yaml:1: model.expand: 0.01 times model.embed_dim 8 leaves no channel; use a larger "
       "factor"},
      {"model: {dt_min: 0.5}\n",
       "run.yaml:1: model.dt_min: 0.5 is above model.dt_max 0.1; use at most that"},
      {"data: {format: cifar10, num_classes: 100}\n",
       "run.yaml:1: data.num_classes: 100, but data.format has 10 classes; use auto or 10"},
      {"augment: {crop: padded}\ndata: {format: cifar10}\n",
       "run.yaml:1: augment.crop: padded keeps the 32 x 32 pixels of CIFAR, model.img_size is "
       "[224, "
       "224]; use random_resized or img_size: 32"},
      {"augment: {crop_scale: [0.9, 0.1]}\n",
       "run.yaml:1: augment.crop_scale: 0.9 is above 0.1; write the smaller first"},
      {"augment: {crop_ratio: [2, 1]}\n",
       "run.yaml:1: augment.crop_ratio: 2 is above 1; write the smaller first"},
      {"train: {global_batch: 100, micro_batch: 30}\naugment: {mix_prob: 0}\n",
       "run.yaml:1: train.micro_batch: 30 does not divide train.global_batch 100; use auto or a "
       "divisor"},
      {"augment:\n  mix_group: 5\ntrain:\n  global_batch: 10\n",
       "run.yaml:2: augment.mix_group: mixup and cutmix pair images within groups of 5; use an "
       "even "
       "number"},
      {"train: {global_batch: 9}\n",
       "run.yaml:1: augment.mix_group: mixup and cutmix pair images within groups of 9; use an "
       "even "
       "number"},
      {"augment: {mix_group: 6}\ntrain: {global_batch: 64}\n",
       "run.yaml:1: augment.mix_group: 6 does not divide train.global_batch 64; use an even "
       "divisor"},
      {"augment: {mix_group: 16}\ntrain: {global_batch: 64, micro_batch: 8}\n",
       "run.yaml:2: train.micro_batch: 8 does not hold whole groups of 16 images for mixup and "
       "cutmix; use a multiple of it, or set augment.mix_group to an even divisor of 8"},
      {"schedule: {warmup_epochs: 20}\ntrain: {epochs: 20}\n",
       "run.yaml:1: schedule.warmup_epochs: 20 epochs leave nothing of train.epochs 20; use fewer"},
      {"checkpoint: {best_by: ema}\nema: {evaluate: false}\n",
       "run.yaml:1: checkpoint.best_by: the best by ema needs ema.enabled: true and ema.evaluate: "
       "true; set both, or use model"},
  }));
  INFO(text);
  CHECK(config_error(text) == error);
}

TEST_CASE("erasing and mixing that cannot be done are refused") {
  const auto [text, error] = GENERATE(table<std::string, std::string>({
      {"augment: {erase_area: [0.5, 0.1]}\n",
       "run.yaml:1: augment.erase_area: 0.5 is above 0.1; write the smaller first"},
      {"augment: {mixup_alpha: 0, cutmix_alpha: 0, cutmix_minmax: [0.2, 0.8], mix_group: 5}\n",
       "run.yaml:1: augment.mix_group: mixup and cutmix pair images within groups of 5; use an "
       "even number"},
      {"augment: {cutmix_minmax: [0.8, 0.2]}\n",
       "run.yaml:1: augment.cutmix_minmax: [0.8, 0.2] leaves no box side of at least 0.8 and less "
       "than 0.2 of 224 pixels; widen it"},
      {"augment: {cutmix_minmax: 0.5}\n",
       "run.yaml:1: augment.cutmix_minmax: got 0.5; use none or a list of 2 numbers, each a number "
       "from 0 to 1"},
  }));
  INFO(text);
  CHECK(config_error(text) == error);
}

TEST_CASE("settings that rules might seem to forbid are taken") {
  const std::string text = GENERATE(
      "augment: {mixup_alpha: 0, cutmix_alpha: 0, mix_group: 7}\ntrain: {global_batch: 9}\n",
      "augment: {mix_prob: 0}\ntrain: {global_batch: 9, micro_batch: 3}\n",
      "model: {cls_position: none, pool: max}\n",
      "model: {img_size: 16}\n",
      "model: {depth: 5}\n",
      "schedule: {warmup_epochs: 0}\ntrain: {epochs: 1}\n",
      "---\nmodel: {depth: 5}  # a comment with & and *\n",
      "\xEF\xBB\xBFmodel: {depth: 5}\r\n");
  CHECK(config_error(text) == "");
}

TEST_CASE("a rule is not reported on top of an unreadable value") {
  CHECK(
      config_error("train: {global_batch: many, micro_batch: 7}\n") ==
      "run.yaml:1: train.global_batch: got many; use an integer from 1 to 1048576");
}

TEST_CASE("all mistakes are reported at once, in the file's order and overrides last") {
  const std::string text =
      "train: {global_batch: 64, micro_batch: 30}\n"
      "modell: {}\n"
      "model:\n"
      "  depht: 3\n"
      "  d_conv: 11\n"
      "augment: {mix_prob: 0}\n";
  CHECK(
      config_error(text, {"optim.lrr=0.1", "optim.lr=high", "lr=1"}) ==
      "run.yaml:1: train.micro_batch: 30 does not divide train.global_batch 64; use auto or a "
      "divisor\n"
      "run.yaml:2: modell: unknown section; did you mean model?\n"
      "run.yaml:4: model.depht: unknown key; did you mean depth?\n"
      "run.yaml:5: model.d_conv: got 11; use an integer from 1 to 8\n"
      "--set optim.lrr=0.1: unknown key; did you mean optim.lr?\n"
      "--set optim.lr=high: got high; use a number of at least 0\n"
      "--set lr=1: unknown key; did you mean optim.lr?");
}

TEST_CASE("overrides that are no assignments are refused as they were written") {
  const auto [argument, error] = GENERATE(table<std::string, std::string>({
      {"optim.lr", "--set optim.lr: no value; write --set section.key=value"},
      {"=3", "--set =3: no value; write --set section.key=value"},
      {"optim.lr=", "--set optim.lr=: got nothing; use a number of at least 0"},
      {"optim.lr=[1",
       "--set optim.lr=[1: the value is not valid YAML; write a number, a text or [a, b]"},
      {"optim.lr=*a",
       "--set optim.lr=*a: the value is not valid YAML; write a number, a text or [a, b]"},
      {"optim=3", "--set optim=3: unknown key; --print-config lists all keys"},
      {"model.depth=3 4", "--set model.depth=3 4: got 3 4; use an integer from 1 to 1024"},
  }));
  CHECK(config_error("", {argument}) == error);
}

TEST_CASE("a cache of decoded pictures goes with exact decoding alone") {
  CHECK(config_error("data: {cache: decoded, decode: exact}\n").empty());
  CHECK(config_error("data: {cache: encoded, decode: fast}\n").empty());
  CHECK(
      config_error("data:\n  decode: fast\n  cache: decoded\n") ==
      "run.yaml:3: data.cache: decoded keeps whole pictures, which data.decode: fast could not "
      "scale; use data.decode: exact with it, or encoded here");
  CHECK(
      config_error("data: {cache: decoded}\n", {"data.decode=fast"}) ==
      "run.yaml:1: data.cache: decoded keeps whole pictures, which data.decode: fast could not "
      "scale; use data.decode: exact with it, or encoded here");
}

TEST_CASE("a rule broken by an override names the override") {
  CHECK(
      config_error("augment: {mix_prob: 0}\n", {"train.micro_batch=7"}) ==
      "--set train.micro_batch=7: 7 does not divide train.global_batch 1024; use auto or a "
      "divisor");
  CHECK(
      config_error(
          "augment: {mix_prob: 0}\ntrain: {micro_batch: 64}\n", {"train.global_batch=100"}) ==
      "run.yaml:2: train.micro_batch: 64 does not divide train.global_batch 100; use auto or a "
      "divisor");
}

TEST_CASE("long values are shortened in messages without breaking characters") {
  std::string value = "a";
  for (int i = 0; i < 50; ++i) {
    value += "\xC3\xA9";  // bytes 59 and 60 are one character
  }
  CHECK(
      config_error("optim: {lr: " + value + "}\n") ==
      "run.yaml:1: optim.lr: got " + value.substr(0, 59) + "...; use a number of at least 0");
}

TEST_CASE("augmentation policies are read with the configuration, mistakes named with their line") {
  const auto [text, error] = GENERATE(table<std::string, std::string>({
      {"augment:\n  auto_augment: rand-m9-mstd0.5-inc1\n", ""},
      {"augment:\n  auto_augment: none\n  three_augment: true\n  color_jitter: 0.3\n", ""},
      {"augment:\n  crop: simple_random\n  interpolation: random\n", ""},
      {"augment:\n  auto_augment: rand-m9-x3\n",
       "run.yaml:2: augment.auto_augment: \"rand-m9-x3\": \"x3\" is no part of a RandAugment "
       "policy; use a form like rand-m9-n2-mstd0.5-inc1, or none"},
      {"augment:\n  auto_augment: autoaug\n",
       "run.yaml:2: augment.auto_augment: \"autoaug\": an automatic augmentation policy starts "
       "with rand; use a form like rand-m9-n2-mstd0.5-inc1, or none"},
      {"augment:\n  three_augment: true\n  auto_augment: rand-m9\n",
       "run.yaml:2: augment.three_augment: it takes the place of augment.auto_augment, which is "
       "rand-m9; set that to none, or this to false"},
      {"data:\n  sampler: class_balanced\n  subset: 0.1\n", ""},
      {"data:\n  sampler: class_balanced\naugment:\n  repeated: true\n",
       "run.yaml:2: data.sampler: class_balanced does not go with augment.repeated; choose one of "
       "the two"},
      {"data:\n  subset: 0\n", "run.yaml:2: data.subset: got 0; use a number above 0 to 1"},
      {"augment:\n  color_jitter: -1\n",
       "run.yaml:2: augment.color_jitter: got -1; use a number of at least 0"},
      {"augment:\n  interpolation: lanzcos\n",
       "run.yaml:2: augment.interpolation: got lanzcos; did you mean lanczos?"},
  }));
  INFO(text);
  CHECK(config_error(text) == error);
}
