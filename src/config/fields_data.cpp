// The table of fields: data and augment.
#include "src/config/field_types.h"

namespace vim::config {
namespace {

using data::CacheMode;
using data::DataFormat;
using data::DecodeMode;
using data::EraseMode;
using data::Interpolation;
using data::MixMode;
using data::OnBadImage;
using data::SamplerKind;
using data::TrainCrop;

std::vector<Field> source_fields() {
  return {
      choice<DataFormat>(
          {"data.format",
           "auto (as it looks), folder (PATH/CLASS/IMAGE), tar, cifar10 or cifar100 (binary)"},
          [](RunConfig& c) { return &c.data.format; },
          {{"auto", DataFormat::kAuto},
           {"folder", DataFormat::kFolder},
           {"tar", DataFormat::kTar},
           {"cifar10", DataFormat::kCifar10},
           {"cifar100", DataFormat::kCifar100}}),
      text(
          {"data.path", "training images: folder, FILE.tar, FILE.tar:FOLDER, or tar files by *"},
          [](RunConfig& c) { return &c.data.path; }),
      text({"data.val_path", "evaluation images"}, [](RunConfig& c) { return &c.data.val_path; }),
      integer(
          {"data.num_classes", "auto: as found in the data"},
          [](RunConfig& c) { return &c.data.num_classes; },
          {1, 10'000'000, "auto"}),
      integer(
          {"data.workers", "decoding threads; auto: one for each core"},
          [](RunConfig& c) { return &c.data.workers; },
          {1, 4096, "auto"}),
      integer(
          {"data.prefetch_batches", "batches prepared ahead"},
          [](RunConfig& c) { return &c.data.prefetch_batches; },
          {1, 1024}),
      integer(
          {"data.readers", "threads that only read, for network file systems; 0: decoders do"},
          [](RunConfig& c) { return &c.data.readers; },
          {0, 1024}),
      integer(
          {"data.read_ahead", "images that they read ahead at most"},
          [](RunConfig& c) { return &c.data.read_ahead; },
          {1, 1'000'000}),
      choice<CacheMode>(
          {"data.cache", "keep images in memory: none, encoded (as stored) or decoded"},
          [](RunConfig& c) { return &c.data.cache; },
          {{"none", CacheMode::kNone},
           {"encoded", CacheMode::kEncoded},
           {"decoded", CacheMode::kDecoded}}),
      integer(
          {"data.cache_mib", "most memory for them, for each data set in each process"},
          [](RunConfig& c) { return &c.data.cache_mib; },
          {1, 1 << 24}),
      choice<DecodeMode>(
          {"data.decode",
           "JPEG files: exact (the pixels of PIL) or fast (also scaled, less smooth)"},
          [](RunConfig& c) { return &c.data.decode.mode; },
          {{"exact", DecodeMode::kExact}, {"fast", DecodeMode::kFast}}),
      boolean(
          {"data.exif_rotate", "turn JPEG files upright as their EXIF block asks"},
          [](RunConfig& c) { return &c.data.decode.exif_rotate; }),
      choice<OnBadImage>(
          {"data.on_bad_image", "a training image that cannot be read: error or substitute"},
          [](RunConfig& c) { return &c.data.on_bad_image; },
          {{"error", OnBadImage::kError}, {"substitute", OnBadImage::kSubstitute}}),
  };
}

std::vector<Field> sampler_fields() {
  return {
      choice<SamplerKind>(
          {"data.sampler",
           "random (each image once an epoch) or class_balanced (each class equally often)"},
          [](RunConfig& c) { return &c.data.sampler; },
          {{"random", SamplerKind::kRandom}, {"class_balanced", SamplerKind::kClassBalanced}}),
      real(
          {"data.subset", "fraction of each class's training images to use, always the same ones"},
          [](RunConfig& c) { return &c.data.subset; },
          {.high = 1, .is_low_included = false}),
      text(
          {"data.subset_list", "file that names the training images to use; replaces subset"},
          [](RunConfig& c) { return &c.data.subset_list; }),
  };
}

std::vector<Field> label_fields() {
  return {
      text(
          {"data.train_labels", "label list of training images without class folders"},
          [](RunConfig& c) { return &c.data.train_labels; }),
      text(
          {"data.val_labels",
           "the same for evaluation images, or ImageNet's ILSVRC2012_devkit_t12.tar.gz"},
          [](RunConfig& c) { return &c.data.val_labels; }),
      text(
          {"data.synsets", "file that says which class each number in label lists is"},
          [](RunConfig& c) { return &c.data.synsets; }),
      text(
          {"data.index", "file for the index of the training images; empty: beside them"},
          [](RunConfig& c) { return &c.data.index; }),
      text(
          {"data.val_index", "the same for the evaluation images"},
          [](RunConfig& c) { return &c.data.val_index; }),
  };
}

std::vector<Field> crop_fields() {
  return {
      choice<TrainCrop>(
          {"augment.crop", "training crop: random_resized, padded, center or simple_random"},
          [](RunConfig& c) { return &c.augment.crop; },
          {{"random_resized", TrainCrop::kRandomResized},
           {"padded", TrainCrop::kPadded},
           {"center", TrainCrop::kCenter},
           {"simple_random", TrainCrop::kSimpleRandom}}),
      real_pair(
          {"augment.crop_scale", "random_resized: least and greatest fraction of the area"},
          [](RunConfig& c) { return &c.augment.crop_scale; },
          {.high = 1, .is_low_included = false}),
      real_pair(
          {"augment.crop_ratio", "random_resized: least and greatest width / height"},
          [](RunConfig& c) { return &c.augment.crop_ratio; },
          kPositive),
      integer(
          {"augment.crop_padding", "padded: pixels of zeros on each side; simple_random: mirrored"},
          [](RunConfig& c) { return &c.augment.crop_padding; },
          {0, 4096}),
      choice<Interpolation>(
          {"augment.interpolation", "random: bilinear or bicubic, drawn; evaluation takes bicubic"},
          [](RunConfig& c) { return &c.augment.interpolation; },
          {{"nearest", Interpolation::kNearest},
           {"bilinear", Interpolation::kBilinear},
           {"bicubic", Interpolation::kBicubic},
           {"lanczos", Interpolation::kLanczos},
           {"random", Interpolation::kRandom}}),
      real(
          {"augment.hflip_prob", "probability of mirroring a training image"},
          [](RunConfig& c) { return &c.augment.hflip_prob; },
          kFraction),
      real_triple(
          {"augment.mean", "subtracted from red, green, blue in [0, 1]"},
          [](RunConfig& c) { return &c.augment.mean; },
          kFraction),
      real_triple(
          {"augment.std", "divides red, green, blue"},
          [](RunConfig& c) { return &c.augment.std; },
          kPositive),
      real(
          {"augment.eval_crop_ratio", "evaluation: centre crop side / resized shorter side"},
          [](RunConfig& c) { return &c.augment.eval_crop_ratio; },
          {.high = 1, .is_low_included = false}),
  };
}

std::vector<Field> erase_fields() {
  return {
      real(
          {"augment.erase_prob", "random erasing: probability that boxes of an image are erased"},
          [](RunConfig& c) { return &c.augment.erase_prob; },
          kFraction),
      choice<EraseMode>(
          {"augment.erase_mode",
           "erased pixels: const (mean colour), rand (a normal colour for each box) or pixel "
           "(normal noise)"},
          [](RunConfig& c) { return &c.augment.erase_mode; },
          {{"const", EraseMode::kConst}, {"rand", EraseMode::kRand}, {"pixel", EraseMode::kPixel}}),
      integer(
          {"augment.erase_count", "most boxes in an image"},
          [](RunConfig& c) { return &c.augment.erase_count; },
          {1, 16}),
      real_pair(
          {"augment.erase_area", "least and greatest fraction of the area, all boxes together"},
          [](RunConfig& c) { return &c.augment.erase_area; },
          {.high = 1, .is_low_included = false}),
      real(
          {"augment.erase_ratio", "least height / width of a box; the greatest is its inverse"},
          [](RunConfig& c) { return &c.augment.erase_ratio; },
          {.high = 1, .is_low_included = false}),
  };
}

std::vector<Field> policy_fields() {
  return {
      text(
          {"augment.auto_augment", "none, or RandAugment in timm's form: rand-m9-mstd0.5-inc1"},
          [](RunConfig& c) { return &c.augment.auto_augment; }),
      boolean(
          {"augment.three_augment", "greyscale, solarize or blur; in place of auto_augment"},
          [](RunConfig& c) { return &c.augment.three_augment; }),
      real(
          {"augment.color_jitter",
           "brightness, contrast, saturation by up to this; 0: off; not with auto_augment"},
          [](RunConfig& c) { return &c.augment.color_jitter; },
          kNotNegative),
  };
}

std::vector<Field> mix_fields() {
  return {
      boolean(
          {"augment.repeated", "each image three times in a row, in an epoch a third as varied"},
          [](RunConfig& c) { return &c.augment.repeated; }),
      real(
          {"augment.mixup_alpha", "mixup factor ~ Beta(alpha, alpha); 0: off"},
          [](RunConfig& c) { return &c.augment.mixup_alpha; },
          kNotNegative),
      real(
          {"augment.cutmix_alpha", "cutmix factor ~ Beta(alpha, alpha); 0: off"},
          [](RunConfig& c) { return &c.augment.cutmix_alpha; },
          kNotNegative),
      real(
          {"augment.mix_prob", "probability that a group is mixed"},
          [](RunConfig& c) { return &c.augment.mix_prob; },
          kFraction),
      real(
          {"augment.mix_switch_prob", "probability of cutmix where both are on"},
          [](RunConfig& c) { return &c.augment.mix_switch_prob; },
          kFraction),
      optional_real_pair(
          {"augment.cutmix_minmax",
           "least and greatest side of a cutmix box / side of the image, in place of "
           "cutmix_alpha"},
          [](RunConfig& c) { return &c.augment.cutmix_minmax; },
          kFraction),
      choice<MixMode>(
          {"augment.mix_mode",
           "one draw for each group of images (batch), mirrored pair of them (pair) or image "
           "(elem)"},
          [](RunConfig& c) { return &c.augment.mix_mode; },
          {{"batch", MixMode::kBatch}, {"pair", MixMode::kPair}, {"elem", MixMode::kElem}}),
      integer(
          {"augment.mix_group",
           "images that are mixed with one another; batch: the whole global batch"},
          [](RunConfig& c) { return &c.augment.mix_group; },
          {2, 1 << 20, "batch"}),
      real(
          {"augment.label_smoothing", "weight of the uniform distribution in the targets"},
          [](RunConfig& c) { return &c.augment.label_smoothing; },
          kBelowOne),
  };
}

}  // namespace

std::vector<Field> data_fields() {
  std::vector<Field> fields = source_fields();
  for (auto part :
       {label_fields, sampler_fields, crop_fields, policy_fields, erase_fields, mix_fields}) {
    const std::vector<Field> rows = part();
    fields.insert(fields.end(), rows.begin(), rows.end());
  }
  return fields;
}

}  // namespace vim::config
