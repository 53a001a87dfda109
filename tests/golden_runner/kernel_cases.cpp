// scan_, conv_ and norm_ cases, run through the shipped differentiable ops.
#include <ATen/ATen.h>

#include "src/ops/add_norm.h"
#include "src/ops/causal_conv1d.h"
#include "src/ops/selective_scan.h"
#include "tests/golden_runner/backend.h"
#include "tests/golden_runner/cases.h"

namespace vim::golden {
namespace {

// (batch, groups, d_state, seqlen) to (batch, seqlen, groups * d_state) and back.
at::Tensor state_to_tokens(const at::Tensor& states) {
  return states.permute({0, 3, 1, 2}).flatten(2).contiguous();
}

at::Tensor state_from_tokens(const at::Tensor& tokens, const at::Tensor& like) {
  return tokens.unflatten(2, {like.size(1), like.size(2)}).permute({0, 2, 3, 1}).contiguous();
}

struct ScanTolerance {
  double output;
  double gradient;
};

ScanTolerance scan_tolerance(const std::string& storage) {
  if (storage == "float16") {
    return {2e-3, 2e-3};
  }
  if (storage == "bfloat16") {
    return {1.6e-2, 1.6e-2};
  }
  return {limit(1e-5, 2e-5), limit(5e-5, 1e-4)};
}

at::Tensor flip_if(bool reversed, const at::Tensor& tokens) {
  return reversed && tokens.defined() ? at::flip(tokens, {1}) : tokens;
}

// Runs the case forwards, or over flipped tokens with the reversed op, which must give the same
// numbers.
void check_scan_direction(const GoldenFile& golden, bool reversed, Checks& checks) {
  const std::string direction = reversed ? "reversed " : "";
  const auto tokens = [&](const char* name) {
    return leaf(flip_if(reversed, to_tokens(golden.get(name))));
  };
  const auto states = [&](const char* name) {
    return leaf(flip_if(reversed, state_to_tokens(golden.at(name))));
  };
  ops::SelectiveScanInputs inputs;
  inputs.u = tokens("u");
  inputs.delta = tokens("delta");
  inputs.z = tokens("z");
  inputs.A = leaf(golden.at("A"));
  inputs.B = states("B");
  inputs.C = states("C");
  inputs.D = leaf(golden.get("D"));
  inputs.delta_bias = leaf(golden.get("delta_bias"));
  inputs.delta_softplus = golden.metadata.at("delta_softplus") == "true";
  inputs.reversed = reversed;
  const auto result = ops::selective_scan(inputs);
  result.out.backward(flip_if(reversed, to_tokens(golden.at("dout"))));

  const ScanTolerance tolerance = scan_tolerance(golden.metadata.at("storage"));
  const auto add = [&](const std::string& name, const at::Tensor& computed, double limit) {
    checks.push_back({direction + name, relative_error(computed, golden.at(name)), limit});
  };
  add("out", from_tokens(flip_if(reversed, result.out)), tolerance.output);
  add("last_state", result.last_state, tolerance.output);
  const auto add_tokens = [&](const char* name, const at::Tensor& input) {
    if (input.defined()) {
      add(std::string("grad/") + name,
          from_tokens(flip_if(reversed, input.grad())),
          tolerance.gradient);
    }
  };
  add_tokens("u", inputs.u);
  add_tokens("delta", inputs.delta);
  add_tokens("z", inputs.z);
  for (const auto& [name, input] : {std::pair{"B", inputs.B}, std::pair{"C", inputs.C}}) {
    const at::Tensor grad = flip_if(reversed, input.grad());
    add(std::string("grad/") + name, state_from_tokens(grad, golden.at(name)), tolerance.gradient);
  }
  add("grad/A", inputs.A.grad(), tolerance.gradient);
  if (inputs.D.defined()) {
    add("grad/D", inputs.D.grad(), tolerance.gradient);
  }
  if (inputs.delta_bias.defined()) {
    add("grad/delta_bias", inputs.delta_bias.grad(), tolerance.gradient);
  }
}

}  // namespace

Checks run_scan(const std::filesystem::path& path) {
  const GoldenFile golden = load_golden(path);
  Checks checks;
  for (const bool reversed : {false, true}) {
    check_scan_direction(golden, reversed, checks);
  }
  return checks;
}

Checks run_conv(const std::filesystem::path& path) {
  const double output_limit = limit(5e-6, 1e-5);
  const double gradient_limit = limit(1e-5, 3e-5);
  const GoldenFile golden = load_golden(path);
  Checks checks;
  for (const bool reversed : {false, true}) {
    const std::string direction = reversed ? "reversed " : "";
    const at::Tensor x = leaf(flip_if(reversed, to_tokens(golden.at("x"))));
    const at::Tensor weight = leaf(golden.at("weight"));
    const at::Tensor bias = leaf(golden.get("bias"));
    ops::CausalConv1dOptions options;
    options.silu = golden.metadata.at("silu") == "true";
    options.reversed = reversed;
    const at::Tensor out = ops::causal_conv1d(x, weight, bias, options);
    out.backward(flip_if(reversed, to_tokens(golden.at("dout"))));
    const auto add = [&](const std::string& name, const at::Tensor& computed, double limit) {
      checks.push_back({direction + name, relative_error(computed, golden.at(name)), limit});
    };
    add("out", from_tokens(flip_if(reversed, out)), output_limit);
    add("grad/x", from_tokens(flip_if(reversed, x.grad())), gradient_limit);
    add("grad/weight", weight.grad(), gradient_limit);
    if (bias.defined()) {
      add("grad/bias", bias.grad(), gradient_limit);
    }
  }
  return checks;
}

Checks run_norm(const std::filesystem::path& path) {
  const double output_limit = limit(5e-6, 1e-5);
  const double gradient_limit = limit(1e-5, 3e-5);
  const GoldenFile golden = load_golden(path);
  const at::Tensor x = leaf(golden.at("x"));
  const at::Tensor residual = leaf(golden.get("residual"));
  const at::Tensor weight = leaf(golden.at("weight"));
  const at::Tensor bias = leaf(golden.get("bias"));
  ops::AddNormOptions options;
  options.kind =
      golden.metadata.at("kind") == "rms" ? kernels::NormKind::kRms : kernels::NormKind::kLayer;
  options.eps = std::stod(golden.metadata.at("eps"));
  const auto result = ops::add_norm({x, residual, weight, bias, {}}, options);
  const at::Tensor loss =
      (result.out * golden.at("dout")).sum() + (result.residual * golden.at("dresidual")).sum();
  loss.backward();

  Checks checks;
  const auto add = [&](const std::string& name, const at::Tensor& computed, double limit) {
    checks.push_back({name, relative_error(computed, golden.at(name)), limit});
  };
  add("out", result.out, output_limit);
  add("residual_out", result.residual, output_limit);
  add("grad/x", x.grad(), gradient_limit);
  add("grad/weight", weight.grad(), gradient_limit);
  if (residual.defined()) {
    add("grad/residual", residual.grad(), gradient_limit);
  }
  if (bias.defined()) {
    add("grad/bias", bias.grad(), gradient_limit);
  }
  return checks;
}

}  // namespace vim::golden
