// The table of fields: model.
#include "src/config/field_types.h"

namespace vim::config {
namespace {

using models::ClsPosition;
using models::Norm;
using models::Pool;
using nn::Bimamba;
using nn::DtInit;

std::vector<Field> geometry_fields() {
  return {
      preset(
          {"model.preset", "published model that fills all other model keys"},
          [](RunConfig& c) { return &c.model; }),
      extent(
          {"model.img_size", "input pixels, one side or [height, width]"},
          [](RunConfig& c) { return &c.model.img_size; },
          {1, 8192}),
      integer(
          {"model.channels", "input channels"},
          [](RunConfig& c) { return &c.model.channels; },
          {1, 64}),
      integer(
          {"model.patch_size", "side of a patch, pixels"},
          [](RunConfig& c) { return &c.model.patch_size; },
          {1, 8192}),
      integer(
          {"model.stride", "pixels between patches; below patch_size they overlap"},
          [](RunConfig& c) { return &c.model.stride; },
          {1, 8192}),
      integer(
          {"model.depth", "number of layers"},
          [](RunConfig& c) { return &c.model.depth; },
          {1, 1024}),
      integer(
          {"model.embed_dim", "channels of a token"},
          [](RunConfig& c) { return &c.model.mixer.embed_dim; },
          {1, 16384}),
  };
}

std::vector<Field> mixer_fields() {
  return {
      integer(
          {"model.d_state", "scan states for each channel"},
          [](RunConfig& c) { return &c.model.mixer.d_state; },
          {1, 256}),
      integer(
          {"model.d_conv", "width of the causal convolution"},
          [](RunConfig& c) { return &c.model.mixer.d_conv; },
          {1, 8}),
      real(
          {"model.expand", "d_inner / embed_dim"},
          [](RunConfig& c) { return &c.model.mixer.expand; },
          {.low = 0, .high = 16, .is_low_included = false}),
      integer(
          {"model.dt_rank", "rank of the time-step projection; auto: embed_dim / 16, rounded up"},
          [](RunConfig& c) { return &c.model.mixer.dt_rank; },
          {1, 16384, "auto"}),
      real(
          {"model.dt_min", "smallest initial time step"},
          [](RunConfig& c) { return &c.model.mixer.dt_min; },
          kPositive),
      real(
          {"model.dt_max", "largest initial time step"},
          [](RunConfig& c) { return &c.model.mixer.dt_max; },
          kPositive),
      real(
          {"model.dt_scale", "factor on the initial dt_proj.weight"},
          [](RunConfig& c) { return &c.model.mixer.dt_scale; },
          kPositive),
      real(
          {"model.dt_init_floor", "lower bound of the initial time step"},
          [](RunConfig& c) { return &c.model.mixer.dt_init_floor; },
          kPositive),
      choice<DtInit>(
          {"model.dt_init", "initial dt_proj.weight: random or constant"},
          [](RunConfig& c) { return &c.model.mixer.dt_init; },
          {{"random", DtInit::kRandom}, {"constant", DtInit::kConstant}}),
      boolean(
          {"model.conv_bias", "bias in the convolutions"},
          [](RunConfig& c) { return &c.model.mixer.conv_bias; }),
      boolean(
          {"model.linear_bias", "bias in in_proj and out_proj"},
          [](RunConfig& c) { return &c.model.mixer.linear_bias; }),
      choice<Bimamba>(
          {"model.bimamba", "directions: none, v1 (shared parameters), v2 (own parameters)"},
          [](RunConfig& c) { return &c.model.mixer.bimamba; },
          {{"none", Bimamba::kNone}, {"v1", Bimamba::kV1}, {"v2", Bimamba::kV2}}),
      boolean(
          {"model.divide_out", "v2: average the directions instead of adding them"},
          [](RunConfig& c) { return &c.model.mixer.divide_out; }),
      optional_real(
          {"model.layer_scale", "initial factor on each mixer's output; none: no factor"},
          [](RunConfig& c) { return &c.model.mixer.layer_scale; },
          kPositive),
  };
}

std::vector<Field> token_fields() {
  return {
      choice<ClsPosition>(
          {"model.cls_position", "class token: none, head, middle, double, random"},
          [](RunConfig& c) { return &c.model.cls_position; },
          {{"none", ClsPosition::kNone},
           {"head", ClsPosition::kHead},
           {"middle", ClsPosition::kMiddle},
           {"double", ClsPosition::kDouble},
           {"random", ClsPosition::kRandom}}),
      choice<Pool>(
          {"model.pool", "without class token: last, mean, max, all"},
          [](RunConfig& c) { return &c.model.pool; },
          {{"last", Pool::kLast}, {"mean", Pool::kMean}, {"max", Pool::kMax}, {"all", Pool::kAll}}),
      choice<Norm>(
          {"model.norm", "normalisation: rms or layer"},
          [](RunConfig& c) { return &c.model.norm; },
          {{"rms", Norm::kRms}, {"layer", Norm::kLayer}}),
      real(
          {"model.norm_epsilon", "added to the mean square"},
          [](RunConfig& c) { return &c.model.norm_epsilon; },
          kPositive),
      boolean(
          {"model.pos_embed", "learned position embedding"},
          [](RunConfig& c) { return &c.model.pos_embed; }),
      boolean(
          {"model.rope", "rotary embedding of the hidden state in every layer"},
          [](RunConfig& c) { return &c.model.rope; }),
      boolean(
          {"model.rope_residual", "rotary embedding of the residual too"},
          [](RunConfig& c) { return &c.model.rope_residual; }),
      integer(
          {"model.rope_pretrain_grid", "grid side that the rotary angles are scaled to"},
          [](RunConfig& c) { return &c.model.rope_pretrain_grid; },
          {1, 8192}),
      boolean(
          {"model.bidirectional_pairs", "layers 2i and 2i+1 walk in opposite directions"},
          [](RunConfig& c) { return &c.model.bidirectional_pairs; }),
      boolean(
          {"model.random_token_order", "shuffle the tokens, one order for each batch"},
          [](RunConfig& c) { return &c.model.random_token_order; }),
      real(
          {"model.token_flip_prob", "probability of reversing the tokens of a batch"},
          [](RunConfig& c) { return &c.model.token_flip_prob; },
          kFraction),
  };
}

std::vector<Field> regularisation_fields() {
  return {
      real(
          {"model.drop_rate", "dropout after the position embedding"},
          [](RunConfig& c) { return &c.model.drop_rate; },
          kBelowOne),
      real(
          {"model.drop_path_rate", "stochastic depth of the last layer, growing from 0"},
          [](RunConfig& c) { return &c.model.drop_path_rate; },
          kBelowOne),
      real(
          {"model.init_range", "standard deviation of head, pos_embed and class tokens"},
          [](RunConfig& c) { return &c.model.init_range; },
          kNotNegative),
      boolean(
          {"model.rescale_prenorm_residual", "divide the initial out_proj.weight by sqrt(depth)"},
          [](RunConfig& c) { return &c.model.rescale_prenorm_residual; }),
  };
}

}  // namespace

std::vector<Field> model_fields() {
  std::vector<Field> fields = geometry_fields();
  for (auto part : {mixer_fields, token_fields, regularisation_fields}) {
    const std::vector<Field> rows = part();
    fields.insert(fields.end(), rows.begin(), rows.end());
  }
  return fields;
}

}  // namespace vim::config
