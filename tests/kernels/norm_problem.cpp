#include "tests/kernels/norm_problem.h"

#include <cmath>

namespace vim::tests {
namespace {

using kernels::AddNormBackwardParams;
using kernels::AddNormParams;
using kernels::DType;
using kernels::NormKind;
using kernels::RowRange;

constexpr NormKind kRms = NormKind::kRms;
constexpr NormKind kLayer = NormKind::kLayer;

// mask / keep of a row; keep as the float the kernel sees.
double row_factor(const NormCase& test, const NormInputs& in, int64_t row) {
  const double mask = test.has_mask() ? in.mask[row / test.rows_per_sample] : 1.0;
  return mask / static_cast<float>(test.keep);
}

// Mean and 1 / sqrt(variance + eps) of one row.
struct Moments {
  double mean = 0.0;
  double rstd = 0.0;
};

Moments moments(const NormCase& test, const double* v) {
  Moments m;
  for (int64_t c = 0; c < test.dim && test.kind == kLayer; ++c) m.mean += v[c] / test.dim;
  double variance = 0.0;
  for (int64_t c = 0; c < test.dim; ++c) variance += (v[c] - m.mean) * (v[c] - m.mean) / test.dim;
  m.rstd = 1.0 / std::sqrt(variance + 1e-5F);
  return m;
}

Values oracle_v(const NormCase& test, const NormInputs& in) {
  Values v;
  for (int64_t i = 0; i < test.size(); ++i) {
    const double branch = in.x[i] * row_factor(test, in, i / test.dim);
    v.push_back(test.has_residual ? in.residual[i] + branch : branch);
  }
  return v;
}

Values oracle_out(const NormCase& test, const NormInputs& in, const Values& v) {
  Values out;
  for (int64_t row = 0; row < test.rows; ++row) {
    const Moments m = moments(test, v.data() + row * test.dim);
    for (int64_t c = 0; c < test.dim; ++c) {
      const double bias = test.has_bias ? in.bias[c] : 0.0;
      out.push_back((v[row * test.dim + c] - m.mean) * m.rstd * in.weight[c] + bias);
    }
  }
  return out;
}

// The chain rule through variance and mean, one by one, unlike the kernels' closed form.
void oracle_backward_row(
    const NormCase& test,
    const NormInputs& in,
    const Values& v_all,
    int64_t row,
    NormResults& results) {
  const double* v = v_all.data() + row * test.dim;
  const Moments m = moments(test, v);
  double drstd = 0.0;
  double dmean = 0.0;
  for (int64_t c = 0; c < test.dim; ++c) {
    const double dy = in.dout[row * test.dim + c];
    drstd += dy * in.weight[c] * (v[c] - m.mean);
    dmean -= dy * in.weight[c] * m.rstd;
    results.dweight[c] += dy * (v[c] - m.mean) * m.rstd;
    results.dbias[c] += dy;
  }
  const double dvariance = drstd * -0.5 * m.rstd * m.rstd * m.rstd;
  for (int64_t c = 0; c < test.dim; ++c) {
    const int64_t i = row * test.dim + c;
    double dv = in.dout[i] * in.weight[c] * m.rstd + dvariance * 2.0 * (v[c] - m.mean) / test.dim;
    dv += test.kind == kLayer ? dmean / test.dim : 0.0;
    dv += in.dresidual[i];
    results.dv.push_back(dv);
    results.dx.push_back(dv * row_factor(test, in, row));
  }
}

void fill_forward(NormRun& run) {
  run.forward.rows = run.test.rows;
  run.forward.dim = run.test.dim;
  run.forward.kind = run.test.kind;
  run.forward.x_dtype = run.test.x_dtype;
  run.forward.out_dtype = run.test.out_dtype;
  run.forward.x = run.x.view().data;
  run.forward.residual = run.test.has_residual ? run.residual.data() : nullptr;
  run.forward.weight = run.weight.data();
  run.forward.bias = run.test.has_bias ? run.bias.data() : nullptr;
  run.forward.rows_per_sample = run.test.has_mask() ? run.test.rows_per_sample : 1;
  run.forward.sample_mask = run.test.has_mask() ? run.mask.data() : nullptr;
  run.forward.keep = static_cast<float>(run.test.keep);
  run.forward.out = run.out.mutable_view().data;
  run.forward.residual_out = run.v.data();
}

void fill_backward(NormRun& run) {
  run.backward.forward = run.forward;
  run.backward.v = run.v.data();
  run.backward.dout = run.dout.view().data;
  run.backward.dresidual = run.dresidual.data();
  run.backward.dx = run.dx.mutable_view().data;
  run.backward.dv = run.dv.data();
  run.backward.dweight = run.dweight.data();
  run.backward.dbias = run.dbias.data();
  const uint64_t garbage = ~uint64_t{0};  // NaN: the run.workspace must not need clearing
  run.workspace.assign(add_norm_backward_workspace_size(run.backward) / 8 + 1, garbage);
  run.backward.workspace = run.workspace.data();
}

}  // namespace

const std::vector<NormCase>& norm_cases() {
  static const std::vector<NormCase> cases = {
      {"rms_one_of_everything", kRms, 1, 1},
      {"rms_one_channel", kRms, 6, 1},
      {"rms_5", kRms, 3, 5},
      {"rms_64", kRms, 17, 64},
      {"rms_130", kRms, 33, 130},
      {"rms_vim_tiny", kRms, 4 * 197, 192},
      {"rms_many_rows", kRms, 2049, 24},
      {"rms_first", kRms, 20, 37, false},
      {"rms_bias", kRms, 20, 37, true, true},
      {"rms_large", kRms, 20, 384, true, false, DType::kFloat32, DType::kFloat32, 0, 1.0, 1e4},
      {"rms_tiny", kRms, 20, 37, true, false, DType::kFloat32, DType::kFloat32, 0, 1.0, 1e-4},
      {"rms_drop_path", kRms, 40, 37, true, false, DType::kFloat32, DType::kFloat32, 10, 0.7},
      {"rms_keep_only", kRms, 40, 64, true, false, DType::kFloat32, DType::kFloat32, 0, 0.7},
      {"rms_bf16_bf16", kRms, 20, 70, true, false, DType::kBFloat16, DType::kBFloat16, 5, 0.9},
      {"rms_f16_f16", kRms, 20, 70, true, false, DType::kFloat16, DType::kFloat16},
      {"rms_f32_bf16", kRms, 20, 70, false, false, DType::kFloat32, DType::kBFloat16},
      {"rms_bf16_f32", kRms, 20, 70, true, false, DType::kBFloat16, DType::kFloat32},
      {"rms_192_bf16", kRms, 77, 192, true, false, DType::kBFloat16, DType::kBFloat16, 11, 0.8},
      {"rms_4", kRms, 67, 4},
      {"rms_196", kRms, 35, 196, true, true, DType::kFloat16, DType::kFloat16},
      {"rms_768", kRms, 33, 768, true, false, DType::kBFloat16, DType::kBFloat16},
      {"rms_1024", kRms, 5, 1024, true, true, DType::kFloat32, DType::kBFloat16},
      {"rms_1028", kRms, 5, 1028, true, true, DType::kBFloat16, DType::kBFloat16},
      {"rms_wide", kRms, 3, 5000},
      {"layer_192_bf16", kLayer, 65, 192, true, true, DType::kBFloat16, DType::kBFloat16, 5, 0.9},
      {"layer_384", kLayer, 31, 384, true, true, DType::kFloat32, DType::kFloat16},
      {"layer_772", kLayer, 9, 772, true, true, DType::kFloat32, DType::kBFloat16},
      {"layer_wide", kLayer, 3, 5003, true, true},
      {"layer_one_channel", kLayer, 6, 1, true, true},
      {"layer_5", kLayer, 3, 5, true, true},
      {"layer_130", kLayer, 33, 130, true, true},
      {"layer_vim_tiny", kLayer, 197, 192, true, true},
      {"layer_first", kLayer, 20, 37, false, true},
      {"layer_no_bias", kLayer, 20, 37},
      {"layer_large", kLayer, 20, 384, true, true, DType::kFloat32, DType::kFloat32, 0, 1.0, 1e4},
      {"layer_far_from_zero",
       kLayer,
       20,
       384,
       true,
       true,
       DType::kFloat32,
       DType::kFloat32,
       0,
       1.0,
       1.0,
       1e4},
      {"layer_drop_path", kLayer, 40, 37, true, true, DType::kFloat32, DType::kFloat32, 10, 0.7},
      {"layer_bf16_bf16", kLayer, 20, 70, true, true, DType::kBFloat16, DType::kBFloat16},
      {"layer_f16_bf16", kLayer, 20, 70, true, true, DType::kFloat16, DType::kBFloat16},
  };
  return cases;
}

NormInputs make_norm_inputs(const NormCase& test) {
  NormInputs in;
  in.x = rounded(random_values(test.size(), 1, test.scale), test.x_dtype);
  in.residual = random_values(test.size(), 2, test.scale);
  for (double& value : in.residual) value = static_cast<float>(value + test.offset);
  in.weight = random_values(test.dim, 3);
  in.bias = random_values(test.dim, 4);
  for (int64_t i = 0; test.has_mask() && i < test.rows / test.rows_per_sample; ++i) {
    in.mask.push_back(i % 2 == 0 ? 1.0 : 0.0);
  }
  in.dout = rounded(random_values(test.size(), 5), test.out_dtype);
  in.dresidual = random_values(test.size(), 6);
  return in;
}

NormResults norm_oracle(const NormCase& test, const NormInputs& in, const Values& kernel_v) {
  NormResults results;
  results.v = oracle_v(test, in);
  results.out = oracle_out(test, in, kernel_v);
  results.dweight.assign(test.dim, 0.0);
  results.dbias.assign(test.dim, 0.0);
  for (int64_t row = 0; row < test.rows; ++row) {
    oracle_backward_row(test, in, kernel_v, row, results);
  }
  return results;
}

NormRun::NormRun(const NormCase& norm, const NormInputs& in)
    : test(norm),
      x(flat(norm.size()), norm.x_dtype),
      out(flat(norm.size()), norm.out_dtype),
      dout(flat(norm.size()), norm.out_dtype),
      dx(flat(norm.size()), norm.x_dtype),
      residual(to_floats(in.residual)),
      weight(to_floats(in.weight)),
      bias(to_floats(in.bias)),
      mask(to_floats(in.mask)),
      dresidual(to_floats(in.dresidual)),
      v(norm.size(), NAN),
      dv(norm.size(), NAN),
      dweight(norm.dim, NAN),
      dbias(norm.dim, NAN) {
  x.set(in.x);
  dout.set(in.dout);
  fill_forward(*this);
  fill_backward(*this);
}

void NormRun::run(int64_t piece) {
  run_in_pieces(
      add_norm_num_rows(forward), piece, [&](RowRange rows) { add_norm_forward(forward, rows); });
  run_in_pieces(
      add_norm_num_rows(forward), piece, [&](RowRange rows) { add_norm_backward(backward, rows); });
  run_in_pieces(add_norm_backward_reduce_num_rows(backward), piece, [&](RowRange rows) {
    add_norm_backward_reduce(backward, rows);
  });
}

AddNormParams out_again(const NormRun& run, TokenArray& out) {
  AddNormParams params = run.forward;
  params.x = run.v.data();
  params.x_dtype = DType::kFloat32;
  params.residual = nullptr;
  params.residual_out = nullptr;
  params.sample_mask = nullptr;
  params.keep = 1.0F;
  params.out = out.mutable_view().data;
  return params;
}

}  // namespace vim::tests
