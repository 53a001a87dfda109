// Vision Mamba (Vim, arXiv 2401.09417, section 3): patches and class token(s) plus position
// embedding through a stack of bidirectional Mamba blocks, a norm, and a linear head.
#pragma once

#include <torch/nn/module.h>
#include <torch/nn/modules/container/modulelist.h>
#include <torch/nn/pimpl.h>

#include <functional>
#include <map>
#include <optional>
#include <vector>

#include "src/models/layer_outputs.h"
#include "src/models/step_draws.h"
#include "src/models/vision_mamba_options.h"
#include "src/nn/block.h"
#include "src/nn/linear.h"
#include "src/nn/norm.h"
#include "src/nn/patch_embed.h"
#include "src/nn/rope.h"
#include "src/ops/token_sequence.h"

namespace vim::models {

/// Parameter names, shapes and registration order equal the official state dict.
class VisionMambaImpl : public torch::nn::Module {
 public:
  /// Allocates the parameters without drawing them; see reset_parameters. Throws c10::Error for
  /// options that contradict each other.
  explicit VisionMambaImpl(const VisionMambaOptions& options);

  /// Official initialisation in the official draw order (vim_spec 3.3), from the given CPU
  /// generator.
  void reset_parameters(at::Generator& generator);

  /// Returns logits in float: (batch, num_classes), or (batch, num_tokens, num_classes) for
  /// Pool::kAll. images: (batch, channels, height, width), float or the compute dtype, of the size
  /// in the options; or their patches, (batch, num_patches, channels * patch_size * patch_size).
  at::Tensor forward(const at::Tensor& images, const StepDraws& draws = {});

  /// Returns what the head receives: (batch, embed_dim), or (batch, num_tokens, embed_dim) for
  /// Pool::kMax and kAll. With `layers`, also every block's hidden state and residual.
  at::Tensor forward_features(
      const at::Tensor& images, const StepDraws& draws = {}, LayerOutputs* layers = nullptr);

  /// Logits from forward_features' result.
  at::Tensor classify(const at::Tensor& features);

  /// Storage type of activations inside the blocks; float by default. Residual stream, norm
  /// statistics, scan state and logits are float whatever this says.
  void set_compute_dtype(at::ScalarType dtype);

  /// What training passes compute twice to save memory; what is cheap by default. Results stay the
  /// same, but for the rounding of states where scans keep them (kNone and kMixer in 16 bits).
  void set_recompute(Recompute recompute);

  /// Hands the modules low-precision copies of the weights that enter matrix products, as looked up
  /// by `shadow_of` (which may return an undefined tensor: the weight is then cast in each pass).
  void install_shadows(const std::function<at::Tensor(const at::Tensor& parameter)>& shadow_of);

  /// Makes ahead what passes without gradients would make of the parameters each time, in the
  /// compute dtype and with the shadows as they are now. The parameters must not change afterwards.
  void prepare_inference();

  /// Hands the modules the shared mode that says where gradients go (ops/parameter_gradient.h).
  void install_gradient_mode(const at::Tensor& mode);

  const VisionMambaOptions& options() const { return options_; }

 private:
  // The tokens on their way through the layers, and where the class tokens stand among them: before
  // the flip, for the official code does not move their slots along with it (vim_spec 1.6).
  struct Sequence {
    at::Tensor hidden;    // (batch, num_tokens, embed_dim)
    at::Tensor residual;  // the same shape in float; undefined in front of the first block
    std::vector<int64_t> cls_slots;
    bool is_flipped = false;
  };

  // What one pass draws and makes of the parameters.
  struct Pass {
    StepDraws draws;
    std::vector<ops::PreparedBranches> prepared;  // by layer; empty: each layer sees to it
    std::optional<int64_t> only_slot;             // see only_slot()
  };

  Sequence embed(const at::Tensor& images, const StepDraws& draws);
  Pass start_pass(const StepDraws& draws);
  std::optional<int64_t> only_slot(const Sequence& sequence, const LayerOutputs* layers) const;
  std::vector<int64_t> token_slots(int64_t num_patches, const StepDraws& draws) const;
  std::vector<ops::ClsToken> cls_tokens(const std::vector<int64_t>& slots) const;
  void reorder(Sequence& sequence, const at::Tensor& order) const;
  void run_layers(Sequence& sequence, const Pass& pass, LayerOutputs* layers);
  void run_layers_recomputed(Sequence& sequence, const Pass& pass);
  void run_layer(int64_t index, Sequence& sequence, const Pass& pass);
  void run_layer_pairs(Sequence& sequence, const Pass& pass, LayerOutputs* layers);
  nn::BlockOutput run_block(
      int64_t index, at::Tensor hidden, at::Tensor residual, const Pass& pass);
  static Sequence mirrored(Sequence sequence);
  at::Tensor rope_slots(const Sequence& sequence);
  void rotate(Sequence& sequence, bool undo_flip);
  at::Tensor select_features(const Sequence& sequence, const at::Tensor& normed) const;
  void register_tokens();
  nn::DropPathMask drop_path(const StepDraws& draws, int64_t row) const;

  VisionMambaOptions options_;
  std::vector<double> drop_path_rates_;  // depth + 1 entries: one per block, then the final norm's
  at::ScalarType compute_dtype_ = at::kFloat;
  Recompute recompute_ = Recompute::kCheap;
  at::Tensor cls_token_;       // (1, 1, embed_dim), or undefined
  at::Tensor cls_token_tail_;  // double mode: the one behind; cls_token_ is then the one in front
  at::Tensor pos_embed_;       // (1, num_tokens, embed_dim), or undefined
  nn::PatchEmbed patch_embed_{nullptr};
  nn::Rope rope_{nullptr};  // empty without rope
  std::map<std::vector<int64_t>, at::Tensor>
      rope_slots_;            // on the device, by token count and class slots
  nn::Linear head_{nullptr};  // empty without classes
  torch::nn::ModuleList layers_;
  nn::Norm norm_f_{nullptr};
};
TORCH_MODULE(VisionMamba);

/// One rate per block, in front of it, then the final norm's (vim_spec 1.5).
std::vector<double> drop_path_schedule(int64_t depth, double rate);

}  // namespace vim::models
