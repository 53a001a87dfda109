#include "apps/initial_model.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "apps/inference_run.h"
#include "apps/weights_config.h"
#include "src/config/config.h"
#include "src/core/error.h"
#include "src/train/weight_import.h"

namespace vim::apps {
namespace {

void check_teacher(const models::VisionMambaOptions& teacher, const config::RunConfig& config) {
  const std::string& file = config.loss.distillation.teacher;
  if (teacher.num_classes != config.model.num_classes) {
    throw Error(fmt::format(
        "{}: the teacher knows {} classes, the student {}; distil between models of one data set",
        file,
        teacher.num_classes,
        config.model.num_classes));
  }
  if (teacher.img_size != config.model.img_size) {
    throw Error(fmt::format(
        "{}: the teacher takes images of {} x {}, the student of {} x {}; give both one img_size",
        file,
        teacher.img_size[0],
        teacher.img_size[1],
        config.model.img_size[0],
        config.model.img_size[1]));
  }
}

}  // namespace

models::VisionMamba initial_model(const config::RunConfig& config) {
  models::VisionMamba model(config.model);
  auto generator = at::make_generator<at::CPUGeneratorImpl>(config.train.seed);
  model->reset_parameters(generator);
  return model;
}

void start_from_weights(models::VisionMambaImpl& model, const config::RunConfig& config) {
  const train::FinetuneOptions& options = config.finetune;
  if (options.weights.empty()) {
    return;
  }
  const auto file = weights::WeightFile::open(options.weights);
  train::ImportRules rules{options.pos_embed, {}, options.new_head, options.allow_missing};
  if (const auto earlier = stored_config(file)) {
    rules.pos_embed_grid = models::patch_grid(earlier->model);
  }
  const std::string set = options.which == train::WeightSet::kEma ? "ema" : "model";
  for (const std::string& note :
       train::import_weights(model, file, train::choose_set(file, set), rules)) {
    spdlog::info("{}: {}", options.weights, note);
  }
  spdlog::info("starting from the {} weights of {}", set, options.weights);
}

std::shared_ptr<models::VisionMambaImpl> load_teacher(const config::RunConfig& config) {
  const train::DistillationOptions& options = config.loss.distillation;
  if (options.kind == train::DistillationKind::kNone) {
    return nullptr;
  }
  InferenceArguments arguments;
  arguments.weights = options.teacher;
  arguments.config = options.teacher_config;
  const auto file = weights::WeightFile::open(options.teacher);
  config::RunConfig teacher = inference_config(arguments, file);
  config::fill_num_classes(teacher, config.model.num_classes);
  check_teacher(teacher.model, config);
  teacher.train.device = config.train.device;
  teacher.train.precision = config.train.precision;
  teacher.train.tf32 = config.train.tf32;
  return load_model(arguments, teacher, file).model.ptr();
}

}  // namespace vim::apps
