// Loader, model and, on a GPU, the graph of one full batch.
#include "src/train/evaluation_passes.h"

#include <ATen/ATen.h>

#include "src/cuda/device.h"
#include "src/cuda/profile_range.h"
#include "src/cuda/step_graph.h"
#include "src/cuda/uploader.h"
#include "src/data/sampler.h"
#include "src/data/transform.h"
#include "src/models/vision_mamba.h"
#include "src/train/batch_input.h"
#include "src/train/losses.h"
#include "src/train/metrics.h"

namespace vim::train {
namespace {

// Puts a module into evaluation mode for a while.
class EvaluationMode {
 public:
  explicit EvaluationMode(torch::nn::Module& module)
      : module_(module), was_training_(module.is_training()) {
    module_.eval();
  }
  EvaluationMode(const EvaluationMode&) = delete;
  EvaluationMode& operator=(const EvaluationMode&) = delete;
  ~EvaluationMode() { module_.train(was_training_); }

 private:
  torch::nn::Module& module_;
  bool was_training_;
};

at::Tensor batch_row(const at::Tensor& logits, const at::Tensor& labels) {
  return at::stack(
      {label_smoothing_cross_entropy(logits, labels, 0.0).to(at::kDouble),
       top_k_hits(logits, labels, 1).to(at::kDouble),
       top_k_hits(logits, labels, 5).to(at::kDouble)});
}

data::LoaderOptions eval_loader_options(const EvaluatorOptions& options, const at::Device& device) {
  data::LoaderOptions loader = data::loader_options(options.data);
  loader.batch_size = options.batch;
  loader.seed = options.seed;
  loader.on_bad_image = data::OnBadImage::kError;
  if (device.is_cuda()) {
    loader.allocate = cuda::allocate_pinned;
  }
  return loader;
}

// Why a batch may not be captured; empty: it may.
std::string find_obstacle(
    const models::VisionMambaOptions& shape,
    const EvaluatorOptions& options,
    const at::Device& device) {
  if (!device.is_cuda()) {
    return "there is no GPU";
  }
  const bool is_drawn = shape.token_flip_prob > 0 && shape.token_flip_in_eval && !options.features;
  return is_drawn ? "tokens are flipped by chance" : "";
}

// Tensors that later passes do not overwrite.
BatchOutput copy_of(const BatchOutput& output) {
  BatchOutput copy = output;
  for (at::Tensor* tensor : {&copy.logits, &copy.row, &copy.top}) {
    *tensor = tensor->defined() ? tensor->clone() : *tensor;
  }
  for (at::Tensor& map : copy.features) {
    map = map.clone();
  }
  return copy;
}

}  // namespace

class EvaluationPasses::Impl {
 public:
  Impl(models::VisionMamba& model, const data::Dataset& dataset, const EvaluatorOptions& options)
      : model_(model),
        options_(options),
        shape_(model->options()),
        device_(model->parameters().front().device()),
        mode_(*model),
        transform_(options.augment, shape_.img_size[0], shape_.img_size[1]),
        loader_(dataset, transform_, eval_loader_options(options, device_)),
        input_(input_options(shape_, options.augment, options.precision, device_)),
        graph_([this] { output_ = compute(fixed_); }, find_obstacle(shape_, options_, device_)) {
    if (options_.features) {
      models::check_feature_layers(shape_, *options_.features, "features");
    }
    loader_.start(data::evaluation_order(dataset.size(), /*world=*/1, /*rank=*/0), /*epoch=*/0);
  }

  const data::LoadedBatch* load() {
    const cuda::ProfileRange range("wait for data");
    return loader_.next();
  }

  BatchOutput run(const data::LoadedBatch& loaded) {
    const at::NoGradGuard no_grad;
    const cuda::ProfileRange range("forward");
    PassInputs inputs = host_inputs(loaded);
    if (!device_.is_cuda() || loaded.size != options_.batch) {
      inputs.images = inputs.images.to(device_);
      inputs.labels = inputs.labels.to(device_);
      return compute(inputs);
    }
    if (!fixed_.images.defined()) {
      fixed_ = inputs.empty_on(device_);
    }
    uploader_.upload(inputs.tensors(), fixed_.tensors());
    fixed_.draws = inputs.draws;
    graph_.run();
    return copy_of(output_);
  }

 private:
  PassInputs host_inputs(const data::LoadedBatch& loaded) const {
    const models::DrawKey key{options_.seed, static_cast<uint64_t>(loaded.first_position), 0};
    PassInputs inputs;
    inputs.images = image_bytes(loaded, shape_.img_size);
    inputs.labels = label_tensor(loaded);
    inputs.draws = models::draw_step(shape_, key, loaded.size, /*is_training=*/false);
    return inputs;
  }

  BatchOutput compute(const PassInputs& inputs) {
    const at::Tensor images = input_images(inputs.images, {}, input_);
    BatchOutput output;
    if (options_.features) {
      models::Features features = models::extract_features(model_, images, *options_.features);
      output.logits = model_->classify(features.head_input);
      output.features = std::move(features.maps);
    } else {
      output.logits = model_->forward(images, inputs.draws);
    }
    output.row = batch_row(output.logits, inputs.labels);
    if (options_.keep_top) {
      output.top = top_classes(output.logits, kTopClasses);
    }
    return output;
  }

  models::VisionMamba& model_;
  const EvaluatorOptions options_;
  const models::VisionMambaOptions& shape_;
  const at::Device device_;
  EvaluationMode mode_;
  data::EvalTransform transform_;
  data::Loader loader_;
  InputOptions input_;
  PassInputs fixed_;
  BatchOutput output_;
  cuda::Uploader uploader_;
  cuda::StepGraph graph_;
};

EvaluationPasses::EvaluationPasses(
    models::VisionMamba& model, const data::Dataset& dataset, const EvaluatorOptions& options)
    : impl_(std::make_unique<Impl>(model, dataset, options)) {}

EvaluationPasses::~EvaluationPasses() = default;

const data::LoadedBatch* EvaluationPasses::load() { return impl_->load(); }

BatchOutput EvaluationPasses::run(const data::LoadedBatch& batch) { return impl_->run(batch); }

}  // namespace vim::train
