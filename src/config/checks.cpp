// A table of rules. Each looks at a configuration whose single values are within their ranges.
#include "src/config/checks.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <stdexcept>

#include "src/data/rand_augment_options.h"

namespace vim::config {
namespace {

using models::ClsPosition;
using models::Pool;

struct Rule {
  std::vector<std::string_view> keys;
  std::function<std::string(const RunConfig&)> violation;  // "" if kept
};

bool mixes(const data::AugmentOptions& augment) {
  return augment.mix_prob > 0 &&
         (augment.mixup_alpha > 0 || augment.cutmix_alpha > 0 || augment.cutmix_minmax.has_value());
}

int64_t mix_group(const RunConfig& config) {
  return config.augment.mix_group > 0 ? config.augment.mix_group : config.train.global_batch;
}

std::string check_patch(const RunConfig& config) {
  const auto [height, width] = config.model.img_size;
  const int64_t patch = config.model.patch_size;
  return patch <= std::min(height, width)
             ? ""
             : fmt::format(
                   "{} is larger than model.img_size [{}, {}]; use at most {}",
                   patch,
                   height,
                   width,
                   std::min(height, width));
}

std::string check_pairs(const RunConfig& config) {
  const bool is_kept = !config.model.bidirectional_pairs || config.model.depth % 2 == 0;
  return is_kept ? ""
                 : fmt::format(
                       "pairs need an even model.depth, {} leaves the last layer unused; use {}",
                       config.model.depth,
                       config.model.depth + 1);
}

std::string check_pool(const RunConfig& config) {
  const bool is_over_tokens = config.model.pool == Pool::kMax || config.model.pool == Pool::kAll;
  return config.model.cls_position == ClsPosition::kNone || !is_over_tokens
             ? ""
             : "max and all need model without class token; set model.cls_position: none, or "
               "model.pool: mean";
}

std::string check_channels(const RunConfig& config) {
  return config.model.channels == 3
             ? ""
             : fmt::format("{}, but images are read as RGB; use 3", config.model.channels);
}

std::string check_rope(const RunConfig& config) {
  const int64_t embed_dim = config.model.mixer.embed_dim;
  return !config.model.rope || embed_dim % 4 == 0
             ? ""
             : fmt::format(
                   "{} is no multiple of 4, as model.rope needs; use {}",
                   embed_dim,
                   (embed_dim + 3) / 4 * 4);
}

std::string check_inner(const RunConfig& config) {
  const nn::MambaMixerOptions& mixer = config.model.mixer;
  return mixer.d_inner() >= 1
             ? ""
             : fmt::format(
                   "{} times model.embed_dim {} leaves no channel; use a larger factor",
                   mixer.expand,
                   mixer.embed_dim);
}

std::string check_order(double low, double high) {
  return low <= high ? "" : fmt::format("{} is above {}; write the smaller first", low, high);
}

std::string check_dt(const RunConfig& config) {
  const nn::MambaMixerOptions& mixer = config.model.mixer;
  return mixer.dt_min <= mixer.dt_max
             ? ""
             : fmt::format(
                   "{} is above model.dt_max {}; use at most that", mixer.dt_min, mixer.dt_max);
}

std::string check_classes(const RunConfig& config) {
  const int64_t given = config.data.num_classes;
  const int64_t expected = config.data.format == data::DataFormat::kCifar10    ? 10
                           : config.data.format == data::DataFormat::kCifar100 ? 100
                                                                               : given;
  return given == 0 || given == expected
             ? ""
             : fmt::format(
                   "{}, but data.format has {} classes; use auto or {}", given, expected, expected);
}

// Scaling depends on the crop, which a picture that is kept for all epochs cannot know.
std::string check_cache(const RunConfig& config) {
  const bool is_kept = config.data.cache != data::CacheMode::kDecoded ||
                       config.data.decode.mode == data::DecodeMode::kExact;
  return is_kept ? ""
                 : "decoded keeps whole pictures, which data.decode: fast could not scale; use "
                   "data.decode: exact with it, or encoded here";
}

std::string check_padded_crop(const RunConfig& config) {
  const auto [height, width] = config.model.img_size;
  const bool is_cifar = config.data.format == data::DataFormat::kCifar10 ||
                        config.data.format == data::DataFormat::kCifar100;
  const bool is_kept =
      config.augment.crop != data::TrainCrop::kPadded || !is_cifar || (height == 32 && width == 32);
  return is_kept ? ""
                 : fmt::format(
                       "padded keeps the 32 x 32 pixels of CIFAR, model.img_size is [{}, {}]; use "
                       "random_resized or img_size: 32",
                       height,
                       width);
}

std::string check_auto_augment(const RunConfig& config) {
  const std::string& policy = config.augment.auto_augment;
  if (policy == data::kNoPolicy) {
    return "";
  }
  try {
    data::parse_rand_augment(policy);
    return "";
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
}

std::string check_three_augment(const RunConfig& config) {
  const std::string& policy = config.augment.auto_augment;
  return !config.augment.three_augment || policy == data::kNoPolicy
             ? ""
             : fmt::format(
                   "it takes the place of augment.auto_augment, which is {}; set that to {}, or "
                   "this to false",
                   policy,
                   data::kNoPolicy);
}

std::string check_sampler(const RunConfig& config) {
  const bool is_kept =
      config.data.sampler == data::SamplerKind::kRandom || !config.augment.repeated;
  return is_kept ? "" : "class_balanced does not go with augment.repeated; choose one of the two";
}

std::string check_micro_batch(const RunConfig& config) {
  const int64_t micro = config.train.micro_batch;
  const int64_t global = config.train.global_batch;
  return micro == 0 || global % micro == 0
             ? ""
             : fmt::format(
                   "{} does not divide train.global_batch {}; use auto or a divisor",
                   micro,
                   global);
}

std::string check_mix_group(const RunConfig& config) {
  const int64_t group = mix_group(config);
  const int64_t global = config.train.global_batch;
  if (!mixes(config.augment)) {
    return "";
  }
  if (group % 2 != 0) {
    return fmt::format(
        "mixup and cutmix pair images within groups of {}; use an even number", group);
  }
  return global % group == 0
             ? ""
             : fmt::format(
                   "{} does not divide train.global_batch {}; use an even divisor", group, global);
}

// A box's side is a whole number of pixels, from low to below high times the image's.
std::string check_cutmix_sides(const RunConfig& config) {
  if (!config.augment.cutmix_minmax) {
    return "";
  }
  const auto [low, high] = *config.augment.cutmix_minmax;
  const auto [height, width] = config.model.img_size;
  const auto side = static_cast<double>(std::min(height, width));
  return static_cast<int64_t>(side * low) < static_cast<int64_t>(side * high)
             ? ""
             : fmt::format(
                   "[{}, {}] leaves no box side of at least {} and less than {} of {} pixels; "
                   "widen it",
                   low,
                   high,
                   low,
                   high,
                   side);
}

std::string check_whole_groups(const RunConfig& config) {
  const int64_t group = mix_group(config);
  const int64_t micro = config.train.micro_batch;
  const bool is_kept = !mixes(config.augment) || micro == 0 || micro % group == 0;
  return is_kept ? ""
                 : fmt::format(
                       "{} does not hold whole groups of {} images for mixup and cutmix; use a "
                       "multiple of it, or set augment.mix_group to an even divisor of {}",
                       micro,
                       group,
                       micro);
}

std::string check_best_by(const RunConfig& config) {
  const bool is_kept = config.checkpoint.best_by == train::BestBy::kModel ||
                       (config.ema.enabled && config.ema.evaluate);
  return is_kept ? ""
                 : "the best by ema needs ema.enabled: true and ema.evaluate: true; set both, or "
                   "use model";
}

std::string check_warmup(const RunConfig& config) {
  const double warmup = config.schedule.warmup_epochs;
  const int64_t epochs = config.train.epochs;
  return warmup < static_cast<double>(epochs)
             ? ""
             : fmt::format("{} epochs leave nothing of train.epochs {}; use fewer", warmup, epochs);
}

std::string check_teacher(const RunConfig& config) {
  const train::DistillationOptions& options = config.loss.distillation;
  const bool is_kept = options.kind == train::DistillationKind::kNone || !options.teacher.empty();
  return is_kept ? "" : "distillation.kind asks for a teacher; name the file of its weights";
}

std::string check_cosub(const RunConfig& config) {
  const bool is_kept =
      !config.loss.cosub || config.loss.distillation.kind == train::DistillationKind::kNone;
  return is_kept ? "" : "does not go with distillation.kind; choose one of the two";
}

const std::vector<Rule>& rules() {
  static const std::vector<Rule> table = {
      {{"model.patch_size", "model.img_size", "model.preset"}, check_patch},
      {{"model.bidirectional_pairs", "model.depth", "model.preset"}, check_pairs},
      {{"model.pool", "model.cls_position", "model.preset"}, check_pool},
      {{"model.channels", "model.preset"}, check_channels},
      {{"model.embed_dim", "model.rope", "model.preset"}, check_rope},
      {{"model.expand", "model.embed_dim", "model.preset"}, check_inner},
      {{"model.dt_min", "model.dt_max", "model.preset"}, check_dt},
      {{"data.num_classes", "data.format"}, check_classes},
      {{"data.sampler", "augment.repeated"}, check_sampler},
      {{"data.cache", "data.decode"}, check_cache},
      {{"augment.crop", "model.img_size", "data.format", "model.preset"}, check_padded_crop},
      {{"augment.crop_scale"},
       [](const RunConfig& c) {
         return check_order(c.augment.crop_scale[0], c.augment.crop_scale[1]);
       }},
      {{"augment.crop_ratio"},
       [](const RunConfig& c) {
         return check_order(c.augment.crop_ratio[0], c.augment.crop_ratio[1]);
       }},
      {{"augment.erase_area"},
       [](const RunConfig& c) {
         return check_order(c.augment.erase_area[0], c.augment.erase_area[1]);
       }},
      {{"augment.auto_augment"}, check_auto_augment},
      {{"augment.three_augment", "augment.auto_augment"}, check_three_augment},
      {{"train.micro_batch", "train.global_batch"}, check_micro_batch},
      {{"augment.mix_group",
        "train.global_batch",
        "augment.mixup_alpha",
        "augment.cutmix_alpha",
        "augment.cutmix_minmax",
        "augment.mix_prob"},
       check_mix_group},
      {{"augment.cutmix_minmax", "model.img_size", "model.preset"}, check_cutmix_sides},
      {{"train.micro_batch",
        "augment.mix_group",
        "train.global_batch",
        "augment.mixup_alpha",
        "augment.cutmix_alpha",
        "augment.cutmix_minmax",
        "augment.mix_prob"},
       check_whole_groups},
      {{"schedule.warmup_epochs", "train.epochs"}, check_warmup},
      {{"distillation.teacher", "distillation.kind"}, check_teacher},
      {{"loss.cosub", "distillation.kind"}, check_cosub},
      {{"checkpoint.best_by", "ema.enabled", "ema.evaluate"}, check_best_by},
  };
  return table;
}

}  // namespace

std::vector<Violation> find_violations(
    const RunConfig& config, const std::set<std::string, std::less<>>& unreadable) {
  std::vector<Violation> violations;
  for (const Rule& rule : rules()) {
    const bool is_readable = std::none_of(
        rule.keys.begin(), rule.keys.end(), [&](auto key) { return unreadable.contains(key); });
    std::string what = is_readable ? rule.violation(config) : "";
    if (!what.empty()) {
      violations.push_back({rule.keys, std::move(what)});
    }
  }
  return violations;
}

}  // namespace vim::config
