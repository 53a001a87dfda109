// Layout of scan problems in memory.
#include "tests/kernels/scan_arrays.h"

#include <cstring>
#include <stdexcept>

#include "kernels/storage.h"

namespace vim::tests {
namespace {

using kernels::MutableTokenView;
using kernels::TokenView;

constexpr unsigned char kUntouched = 0xA5;  // what unwritten bytes hold

}  // namespace

ScanTokens::ScanTokens(const ScanCase& scan, int64_t channels)
    : scan_(scan),
      channels_(channels),
      token_stride_(channels + scan.padding),
      batch_stride_(scan.seqlen * token_stride_ + scan.padding) {
  const int64_t last = (scan.batch - 1) * batch_stride_ + (scan.seqlen - 1) * token_stride_;
  bytes_.assign((last + channels) * element_size(), kUntouched);
}

void ScanTokens::write(const std::vector<double>& values) {
  kernels::visit_dtype(scan_.dtype, [&](auto storage) {
    using Storage = decltype(storage);
    for (size_t i = 0; i < values.size(); ++i) {
      const Storage value = kernels::from_float<Storage>(static_cast<float>(values[i]));
      std::memcpy(bytes_.data() + offset(i) * sizeof(Storage), &value, sizeof(Storage));
    }
  });
}

std::vector<double> ScanTokens::read() const {
  std::vector<double> values(scan_.batch * scan_.seqlen * channels_);
  kernels::visit_dtype(scan_.dtype, [&](auto value) {
    for (size_t i = 0; i < values.size(); ++i) {
      std::memcpy(&value, bytes_.data() + offset(i) * sizeof(value), sizeof(value));
      values[i] = kernels::to_float(value);
    }
  });
  return values;
}

void ScanTokens::check_padding() const {
  std::vector<bool> inside(bytes_.size() / element_size(), false);
  for (int64_t i = 0; i < scan_.batch * scan_.seqlen * channels_; ++i) inside[offset(i)] = true;
  for (size_t i = 0; i < bytes_.size(); ++i) {
    if (!inside[i / element_size()] && bytes_[i] != kUntouched) {
      throw std::logic_error("scan test: the kernel wrote between two tokens");
    }
  }
}

int64_t ScanTokens::offset(int64_t i) const {
  const int64_t token = i / channels_;
  return token / scan_.seqlen * batch_stride_ + token % scan_.seqlen * token_stride_ +
         i % channels_;
}

ScanArrays::ScanArrays(const ScanCase& scan, const Tensors& inputs) : scan_(scan), inputs_(inputs) {
  params_.batch = scan.batch;
  params_.seqlen = scan.seqlen;
  params_.d_inner = scan.d_inner;
  params_.d_state = scan.d_state;
  params_.groups = scan.groups;
  params_.dtype = scan.dtype;
  params_.delta_softplus = scan.softplus;
  params_.scale = scan.scale;
  params_.num_directions = scan.num_directions;
  for (int i = 0; i < scan.num_directions; ++i) set_direction(i);
  if (scan.has_z) params_.z = token_input("z");
  params_.out = token_output("out", scan.d_inner);
}

kernels::ScanBackwardParams ScanArrays::backward_params() {
  kernels::ScanBackwardParams backward;
  backward.forward = params_;
  backward.dout = token_input("dout");
  if (scan_.has_z) backward.dz = token_output("dz", scan_.d_inner);
  for (int i = 0; i < scan_.num_directions; ++i) {
    const std::string suffix = std::to_string(i);
    const int64_t states = scan_.groups * scan_.d_state;
    backward.grads[i].du = token_output("du" + suffix, scan_.d_inner);
    backward.grads[i].ddelta = token_output("ddelta" + suffix, scan_.d_inner);
    backward.grads[i].dB = token_output("dB" + suffix, states);
    backward.grads[i].dC = token_output("dC" + suffix, states);
    backward.grads[i].dA = float_output("dA" + suffix, scan_tensor_size(scan_, "A"));
    if (scan_.has_D) backward.grads[i].dD = float_output("dD" + suffix, scan_.d_inner);
    if (scan_.has_bias) {
      backward.grads[i].ddelta_bias = float_output("ddelta_bias" + suffix, scan_.d_inner);
    }
  }
  backward.gate_defect = scan_.gate_defect;
  backward.dA_of_log = scan_.dA_of_log;
  backward.tf32_sums = scan_.tf32_sums;
  return backward;
}

void ScanArrays::add_last_states() {
  for (int i = 0; i < scan_.num_directions; ++i) {
    const std::string name = "last_state" + std::to_string(i);
    params_.direction[i].last_state = float_output(name, scan_tensor_size(scan_, "last_state"));
  }
}

void ScanArrays::add_y(const std::vector<double>* values) {
  params_.y = token_output("y", scan_.d_inner);
  if (values != nullptr) tokens_.at("y").write(*values);
}

Tensors ScanArrays::results() const {
  Tensors results;
  for (const std::string& name : outputs_) {
    const auto found = tokens_.find(name);
    if (found != tokens_.end()) {
      found->second.check_padding();
      results[name] = found->second.read();
    } else {
      const std::vector<float>& values = floats_.at(name);
      results[name].assign(values.begin(), values.end());
    }
  }
  return results;
}

void ScanArrays::set_direction(int i) {
  kernels::ScanDirection& direction = params_.direction[i];
  const std::string suffix = std::to_string(i);
  direction.u = token_input("u" + suffix);
  set_delta(i);
  direction.B = token_input("B" + suffix);
  direction.C = token_input("C" + suffix);
  direction.A = float_input("A" + suffix);
  if (scan_.has_D) direction.D = float_input("D" + suffix);
  if (scan_.has_bias) direction.delta_bias = float_input("delta_bias" + suffix);
  direction.reversed = scan_.reversed != (i == 1);
}

void ScanArrays::set_delta(int i) {
  kernels::ScanDirection& direction = params_.direction[i];
  const std::string suffix = std::to_string(i);
  const auto weight = inputs_.find("dt_weight" + suffix);
  if (weight == inputs_.end()) {
    direction.delta = token_input("delta" + suffix);
    return;
  }
  params_.dt_rank = static_cast<int64_t>(weight->second.size()) / scan_.d_inner;
  direction.dt_input = token_input("dt_input" + suffix);
  ScanCase rows = scan_;
  rows.batch = 1;
  rows.seqlen = scan_.d_inner;
  rows.padding = 0;
  ScanTokens& tokens =
      tokens_.emplace(weight->first, ScanTokens(rows, params_.dt_rank)).first->second;
  tokens.write(weight->second);
  direction.dt_weight = tokens.view().data;
}

TokenView ScanArrays::token_input(const std::string& name) {
  const std::vector<double>& values = inputs_.at(name);
  const auto channels = static_cast<int64_t>(values.size()) / (scan_.batch * scan_.seqlen);
  ScanTokens& tokens = tokens_.emplace(name, ScanTokens(scan_, channels)).first->second;
  tokens.write(values);
  return tokens.view();
}

MutableTokenView ScanArrays::token_output(const std::string& name, int64_t channels) {
  outputs_.push_back(name);
  return tokens_.emplace(name, ScanTokens(scan_, channels)).first->second.mutable_view();
}

const float* ScanArrays::float_input(const std::string& name) {
  const std::vector<double>& values = inputs_.at(name);
  return (floats_[name] = std::vector<float>(values.begin(), values.end())).data();
}

float* ScanArrays::float_output(const std::string& name, int64_t size) {
  outputs_.push_back(name);
  return (floats_[name] = std::vector<float>(size, -1234.5F)).data();
}

}  // namespace vim::tests
