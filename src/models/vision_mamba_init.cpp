// VisionMamba::reset_parameters: the official initialisation, draw for draw (vim_spec 3.3): with
// the same generator state every tensor equals the official model's.
#include <ATen/ATen.h>

#include <cmath>

#include "src/models/vision_mamba.h"
#include "src/nn/init.h"

namespace vim::models {

void VisionMambaImpl::reset_parameters(at::Generator& generator) {
  const at::NoGradGuard no_grad;
  // First the draws of the module constructors, some of which are replaced below.
  patch_embed_->reset_parameters(generator);
  if (!head_.is_empty()) {
    head_->reset_parameters(generator);
  }
  for (size_t i = 0; i < layers_->size(); ++i) {
    auto& block = layers_->at<nn::BlockImpl>(i);
    block.mixer->reset_parameters(generator, options_.zero_backward_dt_bias);
  }

  // Then ViT's: a "LeCun normal" over the patch's fan-in, its constant the standard deviation of a
  // normal cut off at two.
  constexpr double kTruncatedStd = 0.87962566103423978;
  const auto fan_in =
      static_cast<double>(options_.channels * options_.patch_size * options_.patch_size);
  nn::init_truncated_normal(
      patch_embed_->proj->weight, std::sqrt(1.0 / fan_in) / kTruncatedStd, generator);
  patch_embed_->proj->bias.zero_();
  if (!head_.is_empty()) {
    nn::init_truncated_normal(head_->weight, options_.init_range, generator);
    head_->bias.zero_();
  }
  for (const at::Tensor& tokens : {pos_embed_, cls_token_, cls_token_tail_}) {
    if (tokens.defined()) {
      nn::init_truncated_normal(tokens, options_.init_range, generator);
    }
  }

  // Last, Mamba's: out_proj again, scaled by the depth (GPT-2's rule, one residual branch a layer).
  if (options_.rescale_prenorm_residual) {
    const double divisor = std::sqrt(static_cast<double>(options_.depth));
    for (size_t i = 0; i < layers_->size(); ++i) {
      layers_->at<nn::BlockImpl>(i).mixer->reset_out_proj(generator, divisor);
    }
  }
}

}  // namespace vim::models
