#include "src/nn/mamba_mixer.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>
#include <string>
#include <vector>

#include "tests/support/catch.h"

namespace vim::nn {
namespace {

using Names = std::vector<std::string>;

constexpr double kRounding = 1 + 1e-6;  // float bounds may lie an ulp above the double ones

MambaMixerOptions make_options(Bimamba bimamba) {
  MambaMixerOptions options;
  options.embed_dim = 32;
  options.bimamba = bimamba;
  return options;
}

MambaMixer make_mixer(const MambaMixerOptions& options, bool zero_backward_dt_bias = true) {
  MambaMixer mixer(options);
  auto generator = at::detail::createCPUGenerator(1);
  mixer->reset_parameters(generator, zero_backward_dt_bias);
  return mixer;
}

Names names_of(const MambaMixerOptions& options) {
  Names names;
  for (const auto& parameter : MambaMixer(options)->named_parameters()) {
    names.push_back(parameter.key());
  }
  return names;
}

at::Tensor parameter(const MambaMixer& mixer, const std::string& name) {
  return mixer->named_parameters()[name];
}

TEST_CASE("a v2 mixer's state dict has the official names in the official order") {
  CHECK(
      names_of(make_options(Bimamba::kV2)) == Names{
                                                  "A_log",
                                                  "D",
                                                  "A_b_log",
                                                  "D_b",
                                                  "in_proj.weight",
                                                  "conv1d.weight",
                                                  "conv1d.bias",
                                                  "x_proj.weight",
                                                  "dt_proj.weight",
                                                  "dt_proj.bias",
                                                  "conv1d_b.weight",
                                                  "conv1d_b.bias",
                                                  "x_proj_b.weight",
                                                  "dt_proj_b.weight",
                                                  "dt_proj_b.bias",
                                                  "out_proj.weight"});
}

TEST_CASE("v1 adds A_b_log alone to the one-directional mixer") {
  const Names shared = {
      "in_proj.weight",
      "conv1d.weight",
      "conv1d.bias",
      "x_proj.weight",
      "dt_proj.weight",
      "dt_proj.bias",
      "out_proj.weight"};
  Names v1 = {"A_log", "D", "A_b_log"};
  Names none = {"A_log", "D"};
  v1.insert(v1.end(), shared.begin(), shared.end());
  none.insert(none.end(), shared.begin(), shared.end());
  CHECK(names_of(make_options(Bimamba::kV1)) == v1);
  CHECK(names_of(make_options(Bimamba::kNone)) == none);
}

TEST_CASE("gamma stands first, biases follow their weights") {
  MambaMixerOptions options = make_options(Bimamba::kNone);
  options.layer_scale = 0.1;
  options.linear_bias = true;
  CHECK(
      names_of(options) == Names{
                               "gamma",
                               "A_log",
                               "D",
                               "in_proj.weight",
                               "in_proj.bias",
                               "conv1d.weight",
                               "conv1d.bias",
                               "x_proj.weight",
                               "dt_proj.weight",
                               "dt_proj.bias",
                               "out_proj.weight",
                               "out_proj.bias"});
  options.conv_bias = false;
  options.linear_bias = false;
  options.layer_scale.reset();
  CHECK(names_of(options).size() == 8);
}

TEST_CASE("parameter shapes follow expand, d_state, d_conv and dt_rank") {
  MambaMixerOptions options = make_options(Bimamba::kV2);
  options.expand = 1.5;
  options.d_state = 7;
  options.d_conv = 3;
  const MambaMixer automatic(options);
  CHECK(parameter(automatic, "in_proj.weight").sizes() == at::IntArrayRef({96, 32}));
  CHECK(parameter(automatic, "A_b_log").sizes() == at::IntArrayRef({48, 7}));
  CHECK(parameter(automatic, "conv1d_b.weight").sizes() == at::IntArrayRef({48, 1, 3}));
  CHECK(parameter(automatic, "x_proj_b.weight").sizes() == at::IntArrayRef({16, 48}));
  CHECK(parameter(automatic, "dt_proj.weight").sizes() == at::IntArrayRef({48, 2}));
  CHECK(parameter(automatic, "out_proj.weight").sizes() == at::IntArrayRef({32, 48}));
  options.dt_rank = 5;
  CHECK(parameter(MambaMixer(options), "dt_proj_b.weight").sizes() == at::IntArrayRef({48, 5}));
}

TEST_CASE("softplus of the initial dt bias lies between dt_min and dt_max") {
  MambaMixerOptions options = make_options(Bimamba::kV2);
  options.embed_dim = 512;
  const at::Tensor bias = parameter(make_mixer(options), "dt_proj.bias").to(at::kDouble);
  const at::Tensor delta = at::log1p(at::exp(bias));
  // The inverse softplus in float costs a few ulp of a bias near 7, 2e-6 of delta.
  CHECK(delta.min().item<double>() >= options.dt_min * (1 - 1e-5));
  CHECK(delta.max().item<double>() <= options.dt_max * (1 + 1e-5));
  // Log-uniform: the mean logarithm is the middle, four standard errors of 1024 draws around it.
  const double middle = (std::log(options.dt_min) + std::log(options.dt_max)) / 2;
  const double spread = std::log(options.dt_max / options.dt_min) / std::sqrt(12.0 * 1024);
  CHECK(std::abs(delta.log().mean().item<double>() - middle) < 4 * spread);
}

TEST_CASE("dt_init_floor bounds the initial dt from below") {
  MambaMixerOptions options = make_options(Bimamba::kNone);
  options.dt_init_floor = 0.05;
  const at::Tensor bias = parameter(make_mixer(options), "dt_proj.bias").to(at::kDouble);
  const at::Tensor delta = at::log1p(at::exp(bias));
  CHECK(delta.min().item<double>() == Approx(0.05).epsilon(1e-5));
  CHECK(delta.max().item<double>() > 0.06);
}

TEST_CASE("the backward dt bias starts at 0, or drawn like the forward one by option") {
  const MambaMixerOptions options = make_options(Bimamba::kV2);
  const MambaMixer official = make_mixer(options, true);
  CHECK(parameter(official, "dt_proj_b.bias").abs().max().item<double>() == 0.0);
  const MambaMixer drawn = make_mixer(options, false);
  const at::Tensor delta = at::softplus(parameter(drawn, "dt_proj_b.bias").to(at::kDouble));
  CHECK(delta.min().item<double>() >= options.dt_min * (1 - 1e-5));
  CHECK(delta.max().item<double>() <= options.dt_max * (1 + 1e-5));
}

TEST_CASE("dt_proj.weight is uniform or constant, scaled by dt_rank and dt_scale") {
  MambaMixerOptions options = make_options(Bimamba::kV2);
  options.dt_rank = 4;
  options.dt_scale = 0.5;
  const at::Tensor uniform = parameter(make_mixer(options), "dt_proj.weight");
  CHECK(uniform.abs().max().item<double>() <= 0.25 * kRounding);
  CHECK(uniform.abs().max().item<double>() > 0.23);
  options.dt_init = DtInit::kConstant;
  const MambaMixer constant = make_mixer(options);
  CHECK(at::equal(parameter(constant, "dt_proj.weight"), at::full({64, 4}, 0.25)));
  // The official backward projection keeps the linear layer's default under either law.
  const at::Tensor backward = parameter(constant, "dt_proj_b.weight");
  CHECK(backward.abs().max().item<double>() > 0.4);
  CHECK(backward.abs().max().item<double>() <= 0.5 * kRounding);
}

TEST_CASE("A, D, gamma and linear biases start at fixed values") {
  MambaMixerOptions options = make_options(Bimamba::kV2);
  options.layer_scale = 0.1;
  options.linear_bias = true;
  const MambaMixer mixer = make_mixer(options);
  const at::Tensor row = at::exp(parameter(mixer, "A_log")[63]);
  CHECK(at::allclose(row, at::arange(1, 17, at::kFloat), 1e-6, 0.0));
  CHECK(at::equal(parameter(mixer, "A_log"), parameter(mixer, "A_b_log")));
  CHECK(at::equal(parameter(mixer, "D"), at::ones({64})));
  CHECK(at::equal(parameter(mixer, "D_b"), at::ones({64})));
  CHECK(at::equal(parameter(mixer, "gamma"), at::full({32}, 0.1)));
  CHECK(at::equal(parameter(mixer, "in_proj.bias"), at::zeros({128})));
  CHECK(at::equal(parameter(mixer, "out_proj.bias"), at::zeros({32})));
}

TEST_CASE("projections and convolutions start within 1 / sqrt(fan_in), out_proj over its divisor") {
  MambaMixer mixer = make_mixer(make_options(Bimamba::kV2));
  auto generator = at::detail::createCPUGenerator(2);
  mixer->reset_out_proj(generator, 3.0);
  const std::vector<std::pair<std::string, double>> bounds = {
      {"in_proj.weight", 1 / std::sqrt(32.0)},
      {"conv1d.weight", 0.5},
      {"conv1d_b.bias", 0.5},
      {"x_proj.weight", 1 / std::sqrt(64.0)},
      {"x_proj_b.weight", 1 / std::sqrt(64.0)},
      {"out_proj.weight", 1 / std::sqrt(64.0) / 3.0}};
  for (const auto& [name, bound] : bounds) {
    CAPTURE(name);
    const double largest = parameter(mixer, name).abs().max().item<double>();
    CHECK(largest <= bound * kRounding);
    CHECK(largest > 0.9 * bound);
  }
}

TEST_CASE("gamma scales the output of the mixer") {
  MambaMixerOptions options = make_options(Bimamba::kV2);
  const at::Tensor tokens = at::ones({1, 3, 32});
  const at::Tensor plain = make_mixer(options)->forward(tokens);
  options.layer_scale = 0.5;
  CHECK(at::equal(make_mixer(options)->forward(tokens), plain * 0.5));
}

TEST_CASE("divide_out halves a v2 mixer and leaves v1 alone") {
  const at::Tensor tokens = at::ones({1, 3, 32});
  for (const Bimamba bimamba : {Bimamba::kV1, Bimamba::kV2}) {
    MambaMixerOptions options = make_options(bimamba);
    options.divide_out = true;
    const at::Tensor divided = make_mixer(options)->forward(tokens);
    options.divide_out = false;
    const at::Tensor whole = make_mixer(options)->forward(tokens);
    const at::Tensor wanted = bimamba == Bimamba::kV2 ? whole * 0.5 : whole;
    CHECK(at::allclose(divided, wanted, 1e-6, 1e-7));
  }
}

TEST_CASE("a bfloat16 mixer returns bfloat16, layer scale or not") {
  MambaMixerOptions options = make_options(Bimamba::kV2);
  options.layer_scale = 0.5;
  const at::Tensor tokens = at::ones({1, 3, 32}, at::kBFloat16);
  CHECK(make_mixer(options)->forward(tokens).scalar_type() == at::kBFloat16);
}

TEST_CASE("a mixer without inner channels is refused") {
  MambaMixerOptions options = make_options(Bimamba::kV2);
  options.expand = 0.01;
  CHECK_THROWS_AS(MambaMixer(options), c10::Error);
}

// The gradients of a weighted sum over a mixer's output at one token, by parameter; the tokens'
// last.
std::vector<at::Tensor> gradients_at(const MambaMixer& mixer, int64_t slot, bool alone) {
  at::Tensor tokens = at::sin(at::arange(2 * 9 * 32, at::kFloat)).view({2, 9, 32});
  tokens.requires_grad_();
  const at::Tensor out = alone ? mixer.ptr()->forward(tokens, {}, slot)
                               : mixer.ptr()->forward(tokens).narrow(1, slot, 1);
  std::vector<at::Tensor> of = mixer->parameters();
  of.push_back(tokens);
  const at::Tensor weights = at::cos(at::arange(2 * 32, at::kFloat)).view({2, 1, 32});
  return torch::autograd::grad({(out * weights).sum()}, of);
}

TEST_CASE("one token alone has the output and the gradients it has among all") {
  const auto bimamba = GENERATE(Bimamba::kNone, Bimamba::kV2);
  const int64_t slot = GENERATE(0, 4, 5, 8);
  CAPTURE(static_cast<int>(bimamba), slot);
  MambaMixerOptions options = make_options(bimamba);
  options.layer_scale = 0.5;
  options.linear_bias = GENERATE(false, true);
  MambaMixer mixer = make_mixer(options);
  const at::Tensor tokens = at::sin(at::arange(2 * 9 * 32, at::kFloat)).view({2, 9, 32});
  const at::Tensor expected = mixer->forward(tokens).narrow(1, slot, 1).detach();
  CHECK(at::allclose(mixer->forward(tokens, {}, slot), expected, 1e-5, 1e-7));
  {
    const at::NoGradGuard no_grad;
    mixer->prepare_inference(at::kFloat);
    CHECK(at::allclose(mixer->forward(tokens, {}, slot), expected, 1e-5, 1e-7));
  }
  const auto among_all = gradients_at(mixer, slot, /*alone=*/false);
  const auto alone = gradients_at(mixer, slot, /*alone=*/true);
  for (size_t i = 0; i < alone.size(); ++i) {
    CAPTURE(i);
    const double scale = among_all[i].abs().max().item<double>();
    CHECK((alone[i] - among_all[i]).abs().max().item<double>() <= 1e-5 * scale);
  }
}

}  // namespace
}  // namespace vim::nn
