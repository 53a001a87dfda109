// One add+norm problem for every implementation: the cases, their inputs, the definition in double
// and the buffers of a run.
#pragma once

#include <string>
#include <vector>

#include "kernels/add_norm.h"
#include "tests/kernels/kernel_buffers.h"

namespace vim::tests {

struct NormCase {
  const char* name;
  kernels::NormKind kind;
  int64_t rows;
  int64_t dim;
  bool has_residual = true;
  bool has_bias = false;
  kernels::DType x_dtype = kernels::DType::kFloat32;
  kernels::DType out_dtype = kernels::DType::kFloat32;
  int64_t rows_per_sample = 0;  // 0: no mask
  double keep = 1.0;
  double scale = 1.0;
  double offset = 0.0;  // added to the residual

  bool has_mask() const { return rows_per_sample > 0; }
  int64_t size() const { return rows * dim; }
};

/// Awkward sizes, both kinds, all storage types, drop-path, rows far from 0.
const std::vector<NormCase>& norm_cases();

struct NormInputs {
  Values x, residual, weight, bias, mask, dout, dresidual;
};

NormInputs make_norm_inputs(const NormCase& test);

struct NormResults {
  Values v, out, dx, dv, dweight, dbias;
};

/// Results in double. kernel_v is v as the kernel rounded it to float; the norm's results follow
/// from that, since v is what is stored.
NormResults norm_oracle(const NormCase& test, const NormInputs& in, const Values& kernel_v);

/// Buffers, preset to NaN, and parameter structs of one case.
struct NormRun {
  const NormCase& test;
  TokenArray x, out, dout, dx;
  std::vector<float> residual, weight, bias, mask, dresidual, v, dv, dweight, dbias;
  std::vector<uint64_t> workspace;
  kernels::AddNormParams forward;
  kernels::AddNormBackwardParams backward;

  NormRun(const NormCase& norm, const NormInputs& in);

  /// Both entries and the reduction on the selected backend, in pieces of at most `piece` rows.
  void run(int64_t piece);
};

/// Parameters that compute the out of a finished run from its v alone, as a caller does who has not
/// kept out.
kernels::AddNormParams out_again(const NormRun& run, TokenArray& out);

}  // namespace vim::tests
