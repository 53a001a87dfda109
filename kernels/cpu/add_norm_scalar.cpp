// The specification of add+norm, one row at a time.
#include <algorithm>
#include <cmath>

#include "kernels/cpu/add_norm_impl.h"
#include "kernels/storage.h"

namespace vim::kernels::scalar {
namespace {

// Mean (0 for RMS) and 1 / sqrt(mean square deviation + eps) of one row. The mean is wide because a
// row far from 0 would otherwise lose what distinguishes its channels.
struct RowStats {
  double mean;
  float rstd;

  float normalize(float value) const { return static_cast<float>(value - mean) * rstd; }
};

// value(c) is channel c of the row. The sums are in double; two passes, so that a large mean costs
// nothing.
template <typename F>
RowStats row_stats(const AddNormParams& params, F value) {
  double mean = 0.0;
  for (int64_t c = 0; c < params.dim && params.kind == NormKind::kLayer; ++c) {
    mean += value(c) / static_cast<double>(params.dim);
  }
  double variance = 0.0;
  for (int64_t c = 0; c < params.dim; ++c) {
    const double deviation = value(c) - mean;
    variance += deviation * deviation / static_cast<double>(params.dim);
  }
  return {mean, static_cast<float>(1.0 / std::sqrt(variance + params.eps))};
}

template <typename X, typename Out>
void forward_row(const AddNormParams& params, int64_t row) {
  const int64_t base = row * params.dim;
  const NormRowScale scale = norm_row_scale(params, row);
  const auto* x = static_cast<const X*>(params.x) + base;
  const auto v = [&](int64_t c) {
    const float branch = to_float(x[c]) / scale.keep * scale.mask;
    return params.residual == nullptr ? branch : params.residual[base + c] + branch;
  };
  const RowStats stats = row_stats(params, v);
  for (int64_t c = 0; c < params.dim; ++c) {
    const float value = v(c);
    const float bias = params.bias == nullptr ? 0.0F : params.bias[c];
    const float out = stats.normalize(value) * params.weight[c] + bias;
    static_cast<Out*>(params.out)[base + c] = from_float<Out>(out);
    if (params.residual_out != nullptr) {
      params.residual_out[base + c] = value;
    }
  }
}

// The two means that the gradient of a row needs: of q = weight * dout, and of xhat * q.
struct GradMeans {
  float q;
  float xhat_q;
};

template <typename X, typename Out>
void backward_row(const AddNormBackwardParams& params, int64_t row, float* dweight, float* dbias) {
  const AddNormParams& forward = params.forward;
  const int64_t base = row * forward.dim;
  const RowStats stats = row_stats(forward, [&](int64_t c) { return params.v[base + c]; });
  const auto xhat = [&](int64_t c) { return stats.normalize(params.v[base + c]); };
  const auto dout = [&](int64_t c) {
    return to_float(static_cast<const Out*>(params.dout)[base + c]);
  };

  double q_sum = 0.0;
  double xhat_q_sum = 0.0;
  for (int64_t c = 0; c < forward.dim; ++c) {
    const float q = forward.weight[c] * dout(c);
    q_sum += q;
    xhat_q_sum += xhat(c) * q;
    dweight[c] += xhat(c) * dout(c);
    dbias[c] += dout(c);
  }
  const auto dim = static_cast<double>(forward.dim);
  const bool is_layer = forward.kind == NormKind::kLayer;
  const GradMeans mean{
      is_layer ? static_cast<float>(q_sum / dim) : 0.0F, static_cast<float>(xhat_q_sum / dim)};

  const NormRowScale scale = norm_row_scale(forward, row);
  for (int64_t c = 0; c < forward.dim; ++c) {
    const float q = forward.weight[c] * dout(c);
    const float dresidual = params.dresidual == nullptr ? 0.0F : params.dresidual[base + c];
    const float dv = (q - mean.q - xhat(c) * mean.xhat_q) * stats.rstd + dresidual;
    if (params.dv != nullptr) {
      params.dv[base + c] = dv;
    }
    if (params.dx != nullptr) {
      static_cast<X*>(params.dx)[base + c] = from_float<X>(dv * scale.mask / scale.keep);
    }
  }
}

// Calls f(x storage tag, out storage tag).
template <typename F>
void visit_dtypes(const AddNormParams& params, F f) {
  visit_dtype(params.x_dtype, [&](auto x_tag) {
    visit_dtype(params.out_dtype, [&](auto out_tag) { f(x_tag, out_tag); });
  });
}

}  // namespace

void add_norm_forward(const AddNormParams& params, RowRange rows) {
  visit_dtypes(params, [&](auto x_tag, auto out_tag) {
    for (int64_t block = rows.begin; block < rows.end; ++block) {
      const RowRange range = norm_block_rows(params, block);
      for (int64_t row = range.begin; row < range.end; ++row) {
        forward_row<decltype(x_tag), decltype(out_tag)>(params, row);
      }
    }
  });
}

void add_norm_backward(const AddNormBackwardParams& params, RowRange rows) {
  visit_dtypes(params.forward, [&](auto x_tag, auto out_tag) {
    for (int64_t block = rows.begin; block < rows.end; ++block) {
      float* dweight = norm_partial(params, block);
      float* dbias = dweight + params.forward.dim;
      std::fill(dweight, dbias + params.forward.dim, 0.0F);
      const RowRange range = norm_block_rows(params.forward, block);
      for (int64_t row = range.begin; row < range.end; ++row) {
        backward_row<decltype(x_tag), decltype(out_tag)>(params, row, dweight, dbias);
      }
    }
  });
}

}  // namespace vim::kernels::scalar
