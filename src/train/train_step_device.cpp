// The step on a GPU. Inputs and learning rate go to tensors at fixed addresses, beside the step
// before; the step itself is one piece of work that makes no decision on the host; what became of
// it is written to a list on the device, which take_results() reads.
#include <ATen/ATen.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "src/cuda/profile_range.h"
#include "src/ops/gradient_summary.h"
#include "src/train/train_step.h"

namespace vim::train {
namespace {

// Steps whose results the device keeps, and what it keeps of each: the loss, then a gradient
// summary.
constexpr int64_t kKeptResults = 256;
enum Column : int64_t {
  kLoss,
  kNorm = 1 + kernels::kGradientNorm,
  kFoundInf = 1 + kernels::kGradientFoundInf,
  kBadElement = 1 + kernels::kFirstNonFinite,
  kNumColumns = 1 + kernels::kNumGradientSummaryValues
};

// Why the model's steps differ in more than the values of their inputs; empty if they do not.
std::string changing_choice(const models::VisionMambaOptions& model) {
  if (model.cls_position == models::ClsPosition::kRandom) {
    return "model.cls_position is random";
  }
  if (model.random_token_order) {
    return "model.random_token_order is on";
  }
  return model.token_flip_prob > 0 ? "model.token_flip_prob is above 0" : "";
}

}  // namespace

void TrainStep::make_graph() {
  const at::TensorOptions on_device = at::TensorOptions().device(device_);
  lr_ = at::zeros({}, on_device.dtype(at::kFloat));
  loss_sum_ = at::zeros({}, on_device.dtype(at::kDouble));
  device_results_ = at::zeros({kKeptResults, kNumColumns}, on_device.dtype(at::kDouble));
  std::string obstacle = !options_.train.cuda_graph ? "train.cuda_graph is false"
                         : device_.is_cuda()        ? changing_choice(model_->options())
                                                    : "there is no GPU";
  if (!obstacle.empty()) {
    spdlog::info("the step runs eagerly, not as a CUDA graph: {}", obstacle);
  }
  graph_ = std::make_unique<cuda::StepGraph>([this] { run_on_device(); }, std::move(obstacle));
}

std::string TrainStep::graph_obstacle() const {
  return graph_ ? graph_->obstacle() : "the step runs on the CPU";
}

// Brings pass number num_passes_ - 1 to its place on the device.
void TrainStep::stage(const PassInputs& host) {
  const size_t place = num_passes_ - 1;
  if (place == passes_.size()) {
    passes_.push_back(host.empty_on(device_));
  }
  PassInputs& fixed = passes_[place];
  fixed.draws.cls_position = host.draws.cls_position;
  fixed.draws.token_order = host.draws.token_order;
  fixed.draws.flip_tokens = host.draws.flip_tokens;
  input_uploader_.upload(host.tensors(), fixed.tensors());
}

void TrainStep::repeat_inputs() {
  TORCH_CHECK(
      is_deferred_ && !passes_.empty(), "TrainStep: there are no inputs on the device to repeat");
  num_passes_ = passes_.size();
}

// The whole step: the work of the graph.
void TrainStep::run_on_device() {
  store_.zero_grad();
  loss_sum_.zero_();
  for (size_t i = 0; i < passes_.size(); ++i) {
    const at::Tensor loss = compute_loss(passes_[i]);
    loss_sum_.add_(loss.detach());
    backward(loss, i == 0);
  }
  update_on_device();
}

void TrainStep::update_on_device() {
  const at::NoGradGuard no_grad;
  std::optional<cuda::ProfileRange> range("clip");
  const ops::GradientSummary summary = ops::gradient_summary(
      {store_.flat(optim::StoreBuffer::kGrad),
       loss_sum_,
       store_.loss_scale(),
       options_.optim.clip_norm});
  append_result(summary.values);
  const optim::UpdateControl control{summary.grad_scale, summary.found_inf, ema_decay()};
  range.reset();
  optim::adamw_step(store_, options_.optim, lr_, control);
  if (store_.loss_scale().defined()) {  // after the update, which divides by this step's scale
    store_.update_loss_scale(control.found_inf);
  }
}

// Pushes a row to the end of the list, the oldest one out.
void TrainStep::append_result(const at::Tensor& summary) {
  const at::Tensor row = at::cat({loss_sum_.view({1}), summary});
  device_results_.copy_(
      at::cat({device_results_.narrow(0, 1, kKeptResults - 1), row.unsqueeze(0)}));
}

StepResult TrainStep::read_result(const StepResult& pending, const at::Tensor& row) const {
  const auto* values = row.const_data_ptr<double>();
  StepResult result = pending;
  result.loss = values[kLoss];
  result.grad_norm = std::isfinite(result.loss) ? values[kNorm] : 0.0;
  if (!std::isfinite(result.loss)) {
    result.non_finite = "loss";
  } else if (values[kFoundInf] != 0.0) {
    const auto element = static_cast<int64_t>(values[kBadElement]);
    result.non_finite =
        element < 0 ? "gradient norm" : "gradient of " + store_.parameter_at(element);
  }
  return result;
}

// Skipped steps are not known before their results are: where a run must end after some in a row,
// no more than that many wait.
bool TrainStep::must_take_results() const {
  const int64_t most = std::min(kKeptResults, options_.train.max_skipped_steps);
  return !is_deferred_ || static_cast<int64_t>(results_.size()) >= most;
}

std::vector<StepResult> TrainStep::take_results() {
  std::vector<StepResult> taken = std::move(results_);
  results_.clear();
  if (!is_deferred_ || taken.empty()) {
    return taken;
  }
  const auto count = static_cast<int64_t>(taken.size());
  const at::Tensor rows = device_results_.narrow(0, kKeptResults - count, count).to(at::kCPU);
  for (int64_t i = 0; i < count; ++i) {
    StepResult& result = taken[static_cast<size_t>(i)];
    result = read_result(result, rows[i]);
  }
  return taken;
}

}  // namespace vim::train
