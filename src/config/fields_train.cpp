// The table of fields: optim, schedule, train, ema, checkpoint and compat.
#include "src/config/field_types.h"

namespace vim::config {
namespace {

using models::PosEmbedResize;
using models::Recompute;
using optim::ScheduleUpdate;
using train::BestBy;
using train::DeviceChoice;
using train::DistillationKind;
using train::LossKind;
using train::Precision;
using train::WeightSet;

std::vector<Field> finetune_fields() {
  return {
      text(
          {"finetune.weights", "weights to start from: a checkpoint, .safetensors or .pth file"},
          [](RunConfig& c) { return &c.finetune.weights; }),
      choice<WeightSet>(
          {"finetune.which", "which of its weights: model or ema"},
          [](RunConfig& c) { return &c.finetune.which; },
          {{"model", WeightSet::kModel}, {"ema", WeightSet::kEma}}),
      boolean(
          {"finetune.new_head", "true: a head for another number of classes is not taken over"},
          [](RunConfig& c) { return &c.finetune.new_head; }),
      choice<PosEmbedResize>(
          {"finetune.pos_embed",
           "resizing it: correct, or upstream, which misplaces the class row"},
          [](RunConfig& c) { return &c.finetune.pos_embed; },
          {{"correct", PosEmbedResize::kCorrect}, {"upstream", PosEmbedResize::kUpstream}}),
      text_list(
          {"finetune.allow_missing", "patterns of parameters that the file need not have"},
          [](RunConfig& c) { return &c.finetune.allow_missing; }),
  };
}

std::vector<Field> loss_fields() {
  return {
      choice<LossKind>(
          {"loss.kind", "cross_entropy, or binary: one binary cross-entropy for each class"},
          [](RunConfig& c) { return &c.loss.kind; },
          {{"cross_entropy", LossKind::kCrossEntropy}, {"binary", LossKind::kBinary}}),
      boolean(
          {"loss.cosub", "train two subnetworks of each batch on each other; twice the work"},
          [](RunConfig& c) { return &c.loss.cosub; }),
      choice<DistillationKind>(
          {"distillation.kind", "what the teacher gives: none, soft or hard targets"},
          [](RunConfig& c) { return &c.loss.distillation.kind; },
          {{"none", DistillationKind::kNone},
           {"soft", DistillationKind::kSoft},
           {"hard", DistillationKind::kHard}}),
      real(
          {"distillation.alpha", "weight of the teacher's loss"},
          [](RunConfig& c) { return &c.loss.distillation.alpha; },
          kFraction),
      real(
          {"distillation.tau", "temperature of soft distillation"},
          [](RunConfig& c) { return &c.loss.distillation.tau; },
          kPositive),
      text(
          {"distillation.teacher", "weights of the teacher, another Vision Mamba"},
          [](RunConfig& c) { return &c.loss.distillation.teacher; }),
      text(
          {"distillation.teacher_config", "its YAML file; empty: the one its weights carry"},
          [](RunConfig& c) { return &c.loss.distillation.teacher_config; }),
  };
}

std::vector<Field> optimizer_fields() {
  return {
      real(
          {"optim.lr", "peak learning rate, before scaling"},
          [](RunConfig& c) { return &c.optim.lr; },
          kNotNegative),
      boolean(
          {"optim.scale_lr", "multiply lr by global_batch / 512"},
          [](RunConfig& c) { return &c.optim.scale_lr; }),
      real_pair(
          {"optim.betas", "AdamW averaging of gradient and its square"},
          [](RunConfig& c) { return &c.optim.betas; },
          kBelowOne),
      real(
          {"optim.eps", "AdamW's addend in the denominator"},
          [](RunConfig& c) { return &c.optim.eps; },
          kPositive),
      real(
          {"optim.weight_decay", "of weights; biases, norms, tokens, pos_embed and D have none"},
          [](RunConfig& c) { return &c.optim.weight_decay; },
          kNotNegative),
      optional_real(
          {"optim.clip_norm", "largest global gradient norm; none: no clipping"},
          [](RunConfig& c) { return &c.optim.clip_norm; },
          kPositive),
      real(
          {"optim.layer_decay", "factor of the rate from each layer to the one before; 1: none"},
          [](RunConfig& c) { return &c.optim.layer_decay; },
          {.high = 1, .is_low_included = false}),
      text_list(
          {"optim.freeze", "patterns of parameters that are not trained, as \"layers.[0-5].*\""},
          [](RunConfig& c) { return &c.optim.freeze; }),
      text_list(
          {"optim.freeze_except", "patterns of parameters that are trained all the same"},
          [](RunConfig& c) { return &c.optim.freeze_except; }),
  };
}

std::vector<Field> schedule_fields() {
  return {
      real(
          {"schedule.warmup_epochs", "epochs of linear warm-up"},
          [](RunConfig& c) { return &c.schedule.warmup_epochs; },
          kNotNegative),
      real(
          {"schedule.warmup_lr", "rate at the start of the warm-up, not scaled"},
          [](RunConfig& c) { return &c.schedule.warmup_lr; },
          kNotNegative),
      real(
          {"schedule.min_lr", "rate at the end of the cosine, not scaled"},
          [](RunConfig& c) { return &c.schedule.min_lr; },
          kNotNegative),
      choice<ScheduleUpdate>(
          {"schedule.update", "when the rate changes: epoch or step"},
          [](RunConfig& c) { return &c.schedule.update; },
          {{"epoch", ScheduleUpdate::kEpoch}, {"step", ScheduleUpdate::kStep}}),
  };
}

std::vector<Field> loop_fields() {
  return {
      integer(
          {"train.epochs", "passes over the training images"},
          [](RunConfig& c) { return &c.train.epochs; },
          {1, 1'000'000}),
      integer(
          {"train.global_batch", "images in one optimizer step, over all ranks"},
          [](RunConfig& c) { return &c.train.global_batch; },
          {1, 1 << 20}),
      integer(
          {"train.micro_batch", "images in one forward and backward pass; auto: as memory allows"},
          [](RunConfig& c) { return &c.train.micro_batch; },
          {1, 1 << 20, "auto"}),
      choice<Precision>(
          {"train.precision", "arithmetic of the activations: fp32, bf16 or fp16"},
          [](RunConfig& c) { return &c.train.precision; },
          {{"fp32", Precision::kFloat32},
           {"bf16", Precision::kBFloat16},
           {"fp16", Precision::kFloat16}}),
      unsigned_integer(
          {"train.seed", "of weights, order and augmentation"},
          [](RunConfig& c) { return &c.train.seed; }),
      integer(
          {"train.eval_interval", "epochs between evaluations; last: only after the last"},
          [](RunConfig& c) { return &c.train.eval_interval; },
          {1, 1'000'000, "last"}),
      integer(
          {"train.eval_batch", "images in one evaluation pass; auto: the micro-batch"},
          [](RunConfig& c) { return &c.train.eval_batch; },
          {1, 1 << 20, "auto"}),
      integer(
          {"train.log_interval", "steps between console lines"},
          [](RunConfig& c) { return &c.train.log_interval; },
          {1, 1'000'000}),
      integer(
          {"train.max_skipped_steps", "non-finite steps in a row that end the run"},
          [](RunConfig& c) { return &c.train.max_skipped_steps; },
          {0, 1'000'000}),
      integer(
          {"train.threads", "compute threads; auto: all cores"},
          [](RunConfig& c) { return &c.train.threads; },
          {1, 4096, "auto"}),
  };
}

std::vector<Field> device_fields() {
  return {
      choice<DeviceChoice>(
          {"train.device", "where to compute: auto, cpu or cuda; auto: a GPU if there is one"},
          [](RunConfig& c) { return &c.train.device; },
          {{"auto", DeviceChoice::kAuto},
           {"cpu", DeviceChoice::kCpu},
           {"cuda", DeviceChoice::kCuda}}),
      boolean(
          {"train.tf32", "let fp32 products on a GPU round their factors to TF32"},
          [](RunConfig& c) { return &c.train.tf32; }),
      choice<Recompute>(
          {"train.recompute",
           "what the backward computes again to save memory: none, cheap (norms, convolutions, "
           "scan states), mixer (whole layers) or block (groups of layers)"},
          [](RunConfig& c) { return &c.train.recompute; },
          {{"none", Recompute::kNone},
           {"cheap", Recompute::kCheap},
           {"mixer", Recompute::kMixer},
           {"block", Recompute::kBlock}}),
      boolean(
          {"train.cuda_graph", "run a step on a GPU as one CUDA graph where possible"},
          [](RunConfig& c) { return &c.train.cuda_graph; }),
  };
}

std::vector<Field> keeping_fields() {
  return {
      boolean(
          {"ema.enabled", "keep an exponential average of the weights"},
          [](RunConfig& c) { return &c.ema.enabled; }),
      real(
          {"ema.decay", "weight of the old average in one step"},
          [](RunConfig& c) { return &c.ema.decay; },
          kFraction),
      boolean(
          {"ema.evaluate", "evaluate the average too, beside the trained weights"},
          [](RunConfig& c) { return &c.ema.evaluate; }),
      integer(
          {"checkpoint.interval_steps", "steps between checkpoints; epoch: at each epoch's end"},
          [](RunConfig& c) { return &c.checkpoint.interval_steps; },
          {1, std::numeric_limits<int32_t>::max(), "epoch"}),
      integer(
          {"checkpoint.keep", "newest checkpoints kept, beside the best one"},
          [](RunConfig& c) { return &c.checkpoint.keep; },
          {1, 1'000'000}),
      choice<BestBy>(
          {"checkpoint.best_by", "whose top-1 makes a checkpoint the best: model or ema"},
          [](RunConfig& c) { return &c.checkpoint.best_by; },
          {{"model", BestBy::kModel}, {"ema", BestBy::kEma}}),
  };
}

std::vector<Field> compat_fields() {
  return {
      boolean(
          {"compat.v1_gate_defect", "true: the official v1 gradient, which loses part of dz"},
          [](RunConfig& c) { return &c.model.mixer.v1_gate_defect; }),
      boolean(
          {"compat.zero_backward_dt_bias", "false: start dt_proj_b.bias like dt_proj.bias"},
          [](RunConfig& c) { return &c.model.zero_backward_dt_bias; }),
      boolean(
          {"compat.rope_skips_first_token", "false: leave the class token unrotated instead"},
          [](RunConfig& c) { return &c.model.rope_skips_first_token; }),
      boolean(
          {"compat.token_flip_in_eval", "false: reverse tokens in training only"},
          [](RunConfig& c) { return &c.model.token_flip_in_eval; }),
      boolean(
          {"compat.schedule_lag", "false: epoch e trains with f(e), not f(e - 1)"},
          [](RunConfig& c) { return &c.schedule.lag; }),
      boolean(
          {"compat.resume_lag", "false: the first epoch of a resumed run trains with f(e)"},
          [](RunConfig& c) { return &c.schedule.resume_lag; }),
      boolean(
          {"compat.nan_to_num_loss",
           "true: a loss that is NaN counts as 0, as the official option"},
          [](RunConfig& c) { return &c.loss.nan_to_num; }),
      boolean(
          {"compat.decay_A_log", "false: no weight decay on A_log and A_b_log"},
          [](RunConfig& c) { return &c.optim.decay_A_log; }),
      boolean(
          {"compat.unweighted_test_loss", "true: test loss as the mean over batches, not images"},
          [](RunConfig& c) { return &c.train.unweighted_test_loss; }),
  };
}

}  // namespace

std::vector<Field> train_fields() {
  std::vector<Field> fields = finetune_fields();
  for (auto part :
       {loss_fields,
        optimizer_fields,
        schedule_fields,
        loop_fields,
        device_fields,
        keeping_fields,
        compat_fields}) {
    const std::vector<Field> rows = part();
    fields.insert(fields.end(), rows.begin(), rows.end());
  }
  return fields;
}

}  // namespace vim::config
