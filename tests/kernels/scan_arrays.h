// The arrays of a ScanCase in memory, laid out as the kernels want them.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "kernels/selective_scan.h"
#include "tests/kernels/scan_oracle.h"

namespace vim::tests {

/// A token tensor in the case's storage type and strides. The allocation ends with the last
/// element, so that an address sanitizer sees a kernel that reads or writes too far.
class ScanTokens {
 public:
  ScanTokens(const ScanCase& scan, int64_t channels);

  kernels::TokenView view() const { return {bytes_.data(), batch_stride_, token_stride_}; }
  kernels::MutableTokenView mutable_view() { return {bytes_.data(), batch_stride_, token_stride_}; }
  std::vector<unsigned char>& bytes() { return bytes_; }

  void write(const std::vector<double>& values);
  std::vector<double> read() const;
  /// Throws std::logic_error if something wrote between two tokens.
  void check_padding() const;

 private:
  int64_t element_size() const { return scan_.dtype == kernels::DType::kFloat32 ? 4 : 2; }
  int64_t offset(int64_t i) const;

  ScanCase scan_;
  int64_t channels_;
  int64_t token_stride_;
  int64_t batch_stride_;
  std::vector<unsigned char> bytes_;
};

/// Owns every array of one problem, by name. Where the inputs hold dt_inputI and dt_weightI,
/// (batch, seqlen, dt_rank) and (d_inner, dt_rank), the kernels get those and no delta.
class ScanArrays {
 public:
  ScanArrays(const ScanCase& scan, const Tensors& inputs);

  kernels::ScanParams& params() { return params_; }
  /// Adds the arrays of all gradients.
  kernels::ScanBackwardParams backward_params();
  /// Adds arrays for the last states.
  void add_last_states();
  /// Adds the array for the ungated sums, with the given content or unwritten.
  void add_y(const std::vector<double>* values = nullptr);
  /// Everything the kernels wrote.
  Tensors results() const;

  std::map<std::string, ScanTokens>& tokens() { return tokens_; }
  std::map<std::string, std::vector<float>>& floats() { return floats_; }

 private:
  void set_direction(int i);
  void set_delta(int i);
  kernels::TokenView token_input(const std::string& name);
  kernels::MutableTokenView token_output(const std::string& name, int64_t channels);
  const float* float_input(const std::string& name);
  float* float_output(const std::string& name, int64_t size);

  const ScanCase& scan_;
  const Tensors& inputs_;
  kernels::ScanParams params_;
  std::map<std::string, ScanTokens> tokens_;
  std::map<std::string, std::vector<float>> floats_;
  std::vector<std::string> outputs_;
};

}  // namespace vim::tests
