// The kernels other than the scan, each as the model calls it.
#include <memory>

#include "apps/bench_arrays.h"
#include "apps/bench_cases.h"
#include "kernels/adamw.h"
#include "kernels/cross_entropy.h"
#include "kernels/gradient_summary.h"
#include "kernels/token_sequence.h"

namespace vim::apps {
namespace {

using kernels::AdamWParams;
using kernels::AddNormBackwardParams;
using kernels::ConvBackwardParams;
using kernels::CrossEntropyParams;
using kernels::EraseBox;
using kernels::ImageBatchParams;
using kernels::SampleMix;

constexpr int64_t kConvWidth = 4;
constexpr int64_t kImageSize = 224;
constexpr int64_t kImageChannels = 3;
constexpr int64_t kPatchSize = 16;
constexpr int64_t kNumClasses = 1000;
constexpr int64_t kVimTinyParameters = 7'148'008;  // with 1000 classes

double bytes_of(int64_t count, int64_t bytes) { return static_cast<double>(count * bytes); }

struct ConvProblem {
  BenchArrays arrays;
  ConvBackwardParams params;  // with the forward's
  double tensor_bytes = 0.0;  // x, dx, or out or dout of one direction
  double weight_bytes = 0.0;  // of both directions

  // x is the first half of the in-projection's rows.
  explicit ConvProblem(const CaseSetting& setting) : arrays(setting.device, setting.seed) {
    kernels::ConvParams& p = params.forward;
    p.batch = setting.options.batch;
    p.seqlen = setting.options.seqlen;
    p.channels = 2 * setting.options.embed_dim;
    p.width = kConvWidth;
    p.dtype = setting.dtype;
    p.num_directions = kernels::kMaxDirections;
    const TokenArray whole{nullptr, p.dtype, p.seqlen, 2 * p.channels};
    const TokenArray half{nullptr, p.dtype, p.seqlen, p.channels};
    p.x = arrays.random_tokens(whole, p.batch, {-2.0F, 2.0F}).view();
    params.dx = arrays.tokens(whole, p.batch).mutable_view();
    for (int i = 0; i < p.num_directions; ++i) {
      p.direction[i].weight = arrays.random_floats(p.channels * p.width, {-0.5F, 0.5F});
      p.direction[i].bias = arrays.random_floats(p.channels, {-0.5F, 0.5F});
      p.direction[i].reversed = i == 1;
      p.direction[i].out = arrays.tokens(half, p.batch).mutable_view();
      params.dout[i] = arrays.random_tokens(half, p.batch, {}).view();
      params.dweight[i] = arrays.floats(p.channels * p.width);
      params.dbias[i] = arrays.floats(p.channels);
    }
    tensor_bytes = bytes_of(p.batch * p.seqlen * p.channels, dtype_bytes(p.dtype));
    weight_bytes = p.num_directions * bytes_of(p.channels * (p.width + 1), sizeof(float));
  }

  nlohmann::ordered_json sizes() const {
    const kernels::ConvParams& p = params.forward;
    return {
        {"batch", p.batch},
        {"seqlen", p.seqlen},
        {"channels", p.channels},
        {"width", p.width},
        {"directions", p.num_directions}};
  }
};

// Reads x, weights and biases; writes out of both directions.
OpCase conv_forward(const CaseSetting& setting) {
  const auto problem = std::make_shared<ConvProblem>(setting);
  const kernels::DeviceEntries& entries = setting.device.entries();
  return {
      problem->sizes(),
      3.0 * problem->tensor_bytes + problem->weight_bytes,
      0.0,
      [problem, &entries, stream = setting.device.stream()] {
        entries.causal_conv1d_forward(problem->params.forward, stream);
      }};
}

// Reads x, dout of both directions, weights and biases; writes dx and the weights' gradients.
OpCase conv_backward(const CaseSetting& setting) {
  const auto problem = std::make_shared<ConvProblem>(setting);
  const kernels::DeviceEntries& entries = setting.device.entries();
  problem->params.workspace =
      problem->arrays.allocate(entries.causal_conv1d_backward_workspace_size(problem->params));
  return {
      problem->sizes(),
      4.0 * problem->tensor_bytes + 2.0 * problem->weight_bytes,
      0.0,
      [problem, &entries, stream = setting.device.stream()] {
        entries.causal_conv1d_backward(problem->params, stream);
        entries.causal_conv1d_backward_reduce(problem->params, stream);
      }};
}

struct NormProblem {
  BenchArrays arrays;
  AddNormBackwardParams params;  // with the forward's
  double float_bytes = 0.0;      // of an array (rows, dim) of floats
  double tensor_bytes = 0.0;     // of one of activations
  double weight_bytes = 0.0;

  // RMSNorm with drop-path that drops nothing: a dropped sample's x need not be read.
  explicit NormProblem(const CaseSetting& setting) : arrays(setting.device, setting.seed) {
    kernels::AddNormParams& p = params.forward;
    const int64_t batch = setting.options.batch;
    p.rows_per_sample = setting.options.seqlen;
    p.rows = batch * p.rows_per_sample;
    p.dim = setting.options.embed_dim;
    p.x_dtype = p.out_dtype = setting.dtype;
    const int64_t count = p.rows * p.dim;
    p.x = arrays.random(setting.dtype, count, {});
    p.residual = arrays.random_floats(count, {-2.0F, 2.0F});
    p.weight = arrays.random_floats(p.dim, {0.5F, 1.5F});
    p.sample_mask = arrays.upload(std::vector<float>(static_cast<size_t>(batch), 1.0F));
    p.keep = 0.9F;
    const auto bytes = static_cast<size_t>(count * dtype_bytes(setting.dtype));
    p.out = arrays.allocate(bytes);
    p.residual_out = arrays.floats(count);
    params.v = arrays.random_floats(count, {-2.0F, 2.0F});
    params.dout = arrays.random(setting.dtype, count, {});
    params.dresidual = arrays.random_floats(count, {});
    params.dx = arrays.allocate(bytes);
    params.dv = arrays.floats(count);
    params.dweight = arrays.floats(p.dim);
    float_bytes = bytes_of(count, sizeof(float));
    tensor_bytes = static_cast<double>(bytes);
    weight_bytes = bytes_of(p.dim, sizeof(float));
  }

  nlohmann::ordered_json sizes() const {
    return {{"rows", params.forward.rows}, {"dim", params.forward.dim}};
  }
};

// Reads x, residual and weight; writes out and residual_out.
OpCase norm_forward(const CaseSetting& setting) {
  const auto problem = std::make_shared<NormProblem>(setting);
  const kernels::DeviceEntries& entries = setting.device.entries();
  return {
      problem->sizes(),
      2.0 * problem->float_bytes + 2.0 * problem->tensor_bytes + problem->weight_bytes,
      0.0,
      [problem, &entries, stream = setting.device.stream()] {
        entries.add_norm_forward(problem->params.forward, stream);
      }};
}

// Reads v, dout, dresidual and weight; writes dx, dv and dweight.
OpCase norm_backward(const CaseSetting& setting) {
  const auto problem = std::make_shared<NormProblem>(setting);
  const kernels::DeviceEntries& entries = setting.device.entries();
  problem->params.workspace =
      problem->arrays.allocate(entries.add_norm_backward_workspace_size(problem->params));
  return {
      problem->sizes(),
      3.0 * problem->float_bytes + 2.0 * problem->tensor_bytes + 2.0 * problem->weight_bytes,
      0.0,
      [problem, &entries, stream = setting.device.stream()] {
        entries.add_norm_backward(problem->params, stream);
        entries.add_norm_backward_reduce(problem->params, stream);
      }};
}

// Mixup with the batch in reverse order.
std::vector<SampleMix> reversed_partners(int64_t batch) {
  std::vector<SampleMix> mix(static_cast<size_t>(batch));
  for (int64_t i = 0; i < batch; ++i) {
    mix[static_cast<size_t>(i)].partner = batch - 1 - i;
    mix[static_cast<size_t>(i)].mix_lambda = 0.7F;
  }
  return mix;
}

// As the official recipe erases: a quarter of the images, a box of noise each, a sixth of its area.
std::vector<EraseBox> quarter_erased(int64_t batch) {
  std::vector<EraseBox> boxes(static_cast<size_t>(batch));
  for (size_t i = 0; i < boxes.size(); i += 4) {
    boxes[i].y0 = boxes[i].x0 = 60;
    boxes[i].y1 = boxes[i].x1 = 60 + 91;
    boxes[i].key[0] = static_cast<uint32_t>(i);
  }
  return boxes;
}

// Reads every image once, though two samples need it; writes the patches.
OpCase image_case(const CaseSetting& setting, const std::vector<EraseBox>& boxes) {
  const auto arrays = std::make_shared<BenchArrays>(setting.device, setting.seed);
  ImageBatchParams params;
  params.batch = setting.options.batch;
  params.height = params.width = kImageSize;
  params.channels = kImageChannels;
  const int64_t count = params.batch * kImageSize * kImageSize * kImageChannels;
  params.images = arrays->upload(arrays->random_integers<uint8_t>(count, 256));
  for (int64_t c = 0; c < kImageChannels; ++c) {
    params.mean[c] = 0.45F;
    params.std[c] = 0.225F;
  }
  params.mix = arrays->upload(reversed_partners(params.batch));
  if (!boxes.empty()) {
    params.boxes = arrays->upload(boxes);
    params.num_boxes = 1;
    params.erase_fill = kernels::EraseFill::kNoise;
  }
  params.patch_size = params.stride = kPatchSize;
  params.out_dtype = setting.dtype;
  params.out = arrays->allocate(static_cast<size_t>(count * dtype_bytes(setting.dtype)));
  const kernels::DeviceEntries& entries = setting.device.entries();
  return {
      {{"batch", params.batch}, {"size", kImageSize}, {"patch_size", kPatchSize}},
      bytes_of(count, 1 + dtype_bytes(setting.dtype)) +
          bytes_of(params.batch, sizeof(SampleMix) + params.num_boxes * sizeof(EraseBox)),
      0.0,
      [arrays, params, &entries, stream = setting.device.stream()] {
        entries.image_batch(params, stream);
      }};
}

OpCase image_batch(const CaseSetting& setting) { return image_case(setting, {}); }

OpCase image_batch_erased(const CaseSetting& setting) {
  return image_case(setting, quarter_erased(setting.options.batch));
}

// Patches around one class token in the middle.
template <class Params>
Params middle_token(const CaseSetting& setting) {
  Params params;
  params.batch = setting.options.batch;
  params.num_patches = setting.options.seqlen - 1;
  params.channels = setting.options.embed_dim;
  params.dtype = setting.dtype;
  params.num_cls_tokens = 1;
  params.cls_slots[0] = params.num_patches / 2;
  return params;
}

nlohmann::ordered_json shape_of(const kernels::TokenSequence& sequence) {
  return {
      {"batch", sequence.batch},
      {"seqlen", sequence.num_tokens()},
      {"channels", sequence.channels}};
}

// Bytes of the patches of all images, and of all their tokens in float.
double sequence_bytes(const kernels::TokenSequence& sequence) {
  const int64_t row_batch = sequence.batch * sequence.channels;
  return bytes_of(row_batch * sequence.num_patches, dtype_bytes(sequence.dtype)) +
         bytes_of(row_batch * sequence.num_tokens(), sizeof(float));
}

OpCase token_sequence(const CaseSetting& setting) {
  const auto arrays = std::make_shared<BenchArrays>(setting.device, setting.seed);
  auto params = middle_token<kernels::TokenSequenceParams>(setting);
  const int64_t row = params.num_tokens() * params.channels;
  params.patches =
      arrays->random(params.dtype, params.batch * params.num_patches * params.channels, {});
  params.cls_tokens[0] = arrays->random_floats(params.channels, {});
  params.pos_embed = arrays->random_floats(row, {});
  params.out = arrays->floats(params.batch * row);
  const kernels::DeviceEntries& entries = setting.device.entries();
  return {
      shape_of(params),
      sequence_bytes(params) + bytes_of(row + params.channels, sizeof(float)),
      0.0,
      [arrays, params, &entries, stream = setting.device.stream()] {
        entries.token_sequence(params, stream);
      }};
}

OpCase token_sequence_backward(const CaseSetting& setting) {
  const auto arrays = std::make_shared<BenchArrays>(setting.device, setting.seed);
  auto params = middle_token<kernels::TokenSequenceBackwardParams>(setting);
  const int64_t num_values = params.batch * params.num_patches * params.channels;
  params.dout = arrays->random_floats(params.batch * params.num_tokens() * params.channels, {});
  params.dpatches = arrays->allocate(static_cast<size_t>(num_values * dtype_bytes(params.dtype)));
  const kernels::DeviceEntries& entries = setting.device.entries();
  return {
      shape_of(params),
      sequence_bytes(params) - bytes_of(params.batch * params.channels, sizeof(float)),
      0.0,
      [arrays, params, &entries, stream = setting.device.stream()] {
        entries.token_sequence_backward(params, stream);
      }};
}

// Reads logits, labels, partners and factors; writes losses and dlogits. All float.
OpCase cross_entropy(const CaseSetting& setting) {
  const auto arrays = std::make_shared<BenchArrays>(setting.device, setting.seed);
  CrossEntropyParams params;
  params.rows = setting.options.batch;
  params.num_classes = kNumClasses;
  params.smoothing = 0.1F;
  params.grad_scale = 1.0F / static_cast<float>(params.rows);
  params.logits = arrays->random_floats(params.rows * kNumClasses, {-4.0F, 4.0F});
  params.labels = arrays->upload(arrays->random_integers<int64_t>(params.rows, kNumClasses));
  params.partner_labels =
      arrays->upload(arrays->random_integers<int64_t>(params.rows, kNumClasses));
  params.mix_lambda = arrays->random_floats(params.rows, {0.0F, 1.0F});
  params.loss = arrays->floats(params.rows);
  params.dlogits = arrays->floats(params.rows * kNumClasses);
  const kernels::DeviceEntries& entries = setting.device.entries();
  return {
      {{"rows", params.rows}, {"num_classes", kNumClasses}},
      bytes_of(params.rows, 2 * kNumClasses * 4 + 2 * 8 + 2 * 4),
      0.0,
      [arrays, params, &entries, stream = setting.device.stream()] {
        entries.cross_entropy(params, stream);
      }};
}

// Of Vim-tiny's gradients: reads them once.
OpCase gradient_summary(const CaseSetting& setting) {
  const auto arrays = std::make_shared<BenchArrays>(setting.device, setting.seed);
  kernels::GradientSummaryParams params;
  params.size = kVimTinyParameters;
  params.max_norm = 1.0;
  params.gradients = arrays->random_floats(params.size, {});
  params.loss = arrays->upload(std::vector<double>{1.0});
  params.values = arrays->upload(std::vector<double>(kernels::kNumGradientSummaryValues));
  params.found_inf = arrays->floats(1);
  params.grad_scale = arrays->floats(1);
  const kernels::DeviceEntries& entries = setting.device.entries();
  params.workspace = arrays->allocate(entries.gradient_summary_workspace_size(params));
  return {
      {{"parameters", params.size}},
      bytes_of(params.size, sizeof(float)),
      0.0,
      [arrays, params, &entries, stream = setting.device.stream()] {
        entries.gradient_summary(params, stream);
      }};
}

// The update of Vim-tiny with its weight average and, below float, the low-precision copy. Reads
// gradient, value, both moments and average; writes the last four and the copy.
OpCase adamw(const CaseSetting& setting) {
  const auto arrays = std::make_shared<BenchArrays>(setting.device, setting.seed);
  AdamWParams params;
  params.size = kVimTinyParameters;
  params.weight_decay = 0.05;
  params.ema_decay = 0.9999;
  params.grad = arrays->random_floats(params.size, {});
  params.value = arrays->random_floats(params.size, {});
  params.exp_avg = arrays->random_floats(params.size, {});
  params.exp_avg_sq = arrays->random_floats(params.size, {0.0F, 1.0F});
  params.ema = arrays->random_floats(params.size, {});
  params.lr = arrays->upload(std::vector<float>{1e-3F});
  params.step = arrays->upload(std::vector<float>{1000.0F});
  const bool has_shadow = setting.dtype != kernels::DType::kFloat32;
  const int64_t shadow_bytes = has_shadow ? dtype_bytes(setting.dtype) : 0;
  if (has_shadow) {
    params.shadow_dtype = setting.dtype;
    params.shadow = arrays->allocate(static_cast<size_t>(params.size * shadow_bytes));
  }
  const kernels::DeviceEntries& entries = setting.device.entries();
  return {
      {{"parameters", params.size}},
      bytes_of(params.size, 9 * 4 + shadow_bytes),
      0.0,
      [arrays, params, &entries, stream = setting.device.stream()] {
        entries.adamw(params, stream);
      }};
}

}  // namespace

std::vector<CaseMaker> layer_cases() {
  return {
      {"causal_conv1d_forward", conv_forward},
      {"causal_conv1d_backward", conv_backward},
      {"add_norm_forward", norm_forward},
      {"add_norm_backward", norm_backward},
      {"image_batch", image_batch},
      {"image_batch_erased", image_batch_erased},
      {"token_sequence", token_sequence},
      {"token_sequence_backward", token_sequence_backward},
      {"cross_entropy", cross_entropy},
      {"gradient_summary", gradient_summary},
      {"adamw", adamw}};
}

}  // namespace vim::apps
