// What vim_eval and vim_predict share: from a file of weights to a model ready for passes without
// gradients.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "src/config/run_config.h"
#include "src/models/vision_mamba.h"
#include "src/train/evaluator.h"
#include "src/weights/weight_file.h"

namespace vim::apps {

struct InferenceArguments {
  std::string weights;
  std::string config;  // empty: the weights' own
  std::string which;   // ema, model, or empty: ema if there
  std::vector<std::string> overrides;
  std::string device;            // over train.device; empty: as configured
  std::string precision;         // over train.precision; empty: as configured
  int64_t img_size = 0;          // over model.img_size, a square; 0: as configured
  double crop_ratio = 0;         // over augment.eval_crop_ratio; 0: as configured
  std::string resize_pos_embed;  // correct, upstream, or empty: weights of another grid are refused
};

/// Adds --weights, --config, --which, --set, --device, --precision, --img-size, --crop-ratio and
/// --resize-pos-embed.
void declare_inference(CLI::App& app, InferenceArguments& arguments);

/// The configuration for the weights in `file`. Throws vim::Error if there is none.
config::RunConfig inference_config(
    const InferenceArguments& arguments, const weights::WeightFile& file);

struct InferenceModel {
  models::VisionMamba model = nullptr;
  std::string which;  // the weights in it: ema or model
};

/// The configuration's model with the file's weights, on its device and in its precision. Weights
/// of another patch grid get their position embedding resized as --resize-pos-embed says. Throws
/// vim::Error if they do not fit, the grid is another and the option is missing, or the device is
/// not there.
InferenceModel load_model(
    const InferenceArguments& arguments,
    const config::RunConfig& config,
    const weights::WeightFile& file);

/// The options of passes as the configuration has them, in batches of train.eval_batch or 64.
train::EvaluatorOptions evaluator_options(const config::RunConfig& config);

}  // namespace vim::apps
