// Options of the data pipeline. Free of LibTorch.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>

namespace vim::data {

/// How a data set lies on disk: `<path>/<class>/<image>`, tar files of the same or of one tar file
/// a class, or CIFAR's binary batches. kAuto: as what lies there looks.
enum class DataFormat { kAuto, kFolder, kTar, kCifar10, kCifar100 };

/// What a training image that cannot be read or decoded does: end the run, or be replaced by the
/// next one in the sampler's order (counted and named). Evaluation always ends the run.
enum class OnBadImage { kError, kSubstitute };

/// How much of a JPEG's accuracy decoding keeps. kExact: the pixels of PIL. kFast: where a crop is
/// shrunk to half or less it is decoded at 1/2, 1/4 or 1/8 of its size, and chroma is spread
/// without smoothing; pixels differ slightly.
enum class DecodeMode { kExact, kFast };

struct DecodeOptions {
  DecodeMode mode = DecodeMode::kExact;
  bool exif_rotate = false;  // turn pictures upright as their EXIF block asks; PIL does not
};

/// In which order an epoch visits the training images: each once, at random; or as many images, of
/// each class equally often.
enum class SamplerKind { kRandom, kClassBalanced };

/// What stays in memory of each image that has been read, as long as there is room: nothing, the
/// file's bytes, or the decoded pixels.
enum class CacheMode { kNone, kEncoded, kDecoded };

struct DataOptions {
  DataFormat format = DataFormat::kAuto;
  std::string path;          // training images
  std::string val_path;      // evaluation images
  std::string train_labels;  // label list of training images without class folders, or ""
  std::string val_labels;    // the same for evaluation images
  std::string synsets;       // which class each number in them is, or ""
  std::string index;         // file that holds the index of the training images; "": beside them
  std::string val_index;     // the same for the evaluation images
  int64_t num_classes = 0;   // 0: as found
  int64_t workers = 0;       // decoding threads; 0: as many as the machine has cores
  int64_t prefetch_batches = 4;
  SamplerKind sampler = SamplerKind::kRandom;
  double subset = 1.0;       // fraction of each class to train on
  std::string subset_list;   // file that names the images to train on; empty: `subset` counts
  int64_t readers = 0;       // threads that only read; 0: the decoding threads do
  int64_t read_ahead = 256;  // images that they read ahead at most
  CacheMode cache = CacheMode::kNone;
  int64_t cache_mib = 4096;  // of each data set, in each process
  DecodeOptions decode;
  OnBadImage on_bad_image = OnBadImage::kError;
};

/// How a training image gets the input size: random resized crop; zero-padded random crop of an
/// image that already has it (CIFAR); resize and centre crop, as in evaluation; or resized until it
/// just covers the input and padded by reflection, of which a random part is taken.
enum class TrainCrop { kRandomResized, kPadded, kCenter, kSimpleRandom };

/// What an erased box is filled with: 0, which is the mean colour; one normal number for each
/// channel; or one for each pixel and channel.
enum class EraseMode { kConst, kRand, kPixel };

/// What shares one mixing draw: a whole group of images, two images at mirrored places of a group,
/// or nothing, so that each image has its own.
enum class MixMode { kBatch, kPair, kElem };

/// How pixels are mixed where an image changes size or is turned. kRandom, for training images
/// alone: bilinear or bicubic, drawn anew each time.
enum class Interpolation { kNearest, kBilinear, kBicubic, kLanczos, kRandom };

/// The word for no automatic augmentation policy.
inline constexpr char kNoPolicy[] = "none";

struct AugmentOptions {
  TrainCrop crop = TrainCrop::kRandomResized;
  std::array<double, 2> crop_scale = {0.08, 1.0};         // area fraction
  std::array<double, 2> crop_ratio = {3.0 / 4, 4.0 / 3};  // width / height
  int64_t crop_padding = 4;
  Interpolation interpolation = Interpolation::kBicubic;
  double hflip_prob = 0.5;
  std::string auto_augment = kNoPolicy;  // or a RandAugment string: rand_augment_options.h
  bool three_augment = false;            // in place of auto_augment
  double color_jitter = 0.0;             // 0: off; without effect where auto_augment names a policy
  std::array<double, 3> mean = {0.485, 0.456, 0.406};
  std::array<double, 3> std = {0.229, 0.224, 0.225};
  double eval_crop_ratio = 0.875;
  double erase_prob = 0.25;
  EraseMode erase_mode = EraseMode::kPixel;
  int64_t erase_count = 1;                             // most boxes in an image
  std::array<double, 2> erase_area = {0.02, 1.0 / 3};  // fraction of the image, all its boxes
  double erase_ratio = 0.3;   // least height / width of a box; the greatest is 1 / erase_ratio
  bool repeated = false;      // repeated augmentation; see repeated_augmentation_order
  double mixup_alpha = 0.8;   // 0: off
  double cutmix_alpha = 1.0;  // 0: off
  double mix_prob = 1.0;
  double mix_switch_prob = 0.5;  // probability of cutmix where both are on
  // Least and greatest side of a cutmix box / side of the image. Turns cutmix on, whatever
  // cutmix_alpha, which then plays no part.
  std::optional<std::array<double, 2>> cutmix_minmax;
  MixMode mix_mode = MixMode::kBatch;
  int64_t mix_group = 0;  // images that are mixed with one another; 0: the whole global batch
  double label_smoothing = 0.1;
};

}  // namespace vim::data
