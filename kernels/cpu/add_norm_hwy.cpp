// Add+norm with Highway, vectorised over the channels of a row. A row is a few cache lines, so it
// is walked several times; its sums have four accumulators each.
#include <algorithm>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/add_norm_hwy.cpp"
#include "hwy/foreach_target.h"
// Highway wants these after foreach_target.h.
#include "hwy/highway.h"
#include "kernels/cpu/add_norm_row-inl.h"
#include "kernels/cpu/vector_storage-inl.h"

#include "kernels/cpu/add_norm_impl.h"
#include "kernels/storage.h"

HWY_BEFORE_NAMESPACE();
namespace vim::kernels::HWY_NAMESPACE {
namespace {

// x as it enters the sum: divided by keep, then masked.
template <typename X>
struct ScaledInput {
  const X* x;
  NormRowScale scale;
  bool is_scaled;

  HWY_INLINE Vector load(int64_t c, int64_t count) const {
    const Tag d;
    const Vector value = load_part(d, x + c, count);
    if (!is_scaled) {
      return value;
    }
    return hn::Mul(hn::Div(value, hn::Set(d, scale.keep)), hn::Set(d, scale.mask));
  }
};

template <typename X, typename Out>
HWY_FLATTEN void forward_row(const AddNormParams& params, int64_t row) {
  const Tag d;
  const int64_t base = row * params.dim;
  const bool is_scaled = params.sample_mask != nullptr || params.keep != 1.0F;
  const ScaledInput<X> input{
      static_cast<const X*>(params.x) + base, norm_row_scale(params, row), is_scaled};
  const float* residual = params.residual == nullptr ? nullptr : params.residual + base;
  float* residual_out = params.residual_out == nullptr ? nullptr : params.residual_out + base;
  Out* out = static_cast<Out*>(params.out) + base;

  const auto compute_v = [&](int64_t c, int64_t count) HWY_ATTR {
    const Vector x = input.load(c, count);
    return residual == nullptr ? x : hn::Add(load_part(d, residual + c, count), x);
  };
  const auto compute_and_store_v = [&](int64_t c, int64_t count) HWY_ATTR {
    const Vector v = compute_v(c, count);
    if (residual_out != nullptr) {
      store_part(d, v, residual_out + c, count);
    }
    return v;
  };
  // The stored v is read again rather than recomputed: residual_out may be the residual itself.
  const auto recall_v = [&](int64_t c, int64_t count) HWY_ATTR {
    return residual_out == nullptr ? compute_v(c, count) : load_part(d, residual_out + c, count);
  };
  const RowStats stats = row_stats(params, compute_and_store_v, recall_v);
  for_each_vector(params.dim, [&](int64_t c, int64_t count) HWY_ATTR {
    const Vector weight = load_part(d, params.weight + c, count);
    Vector y = hn::Mul(stats.normalize(recall_v(c, count)), weight);
    if (params.bias != nullptr) {
      y = hn::Add(y, load_part(d, params.bias + c, count));
    }
    store_part(d, y, out + c, count);
  });
}

// The two means that the gradient of a row needs: of q = weight * dout (0 for RMS), and of xhat *
// q.
struct GradMeans {
  float q;
  float xhat_q;
};

// One row of the backward: its inputs, and xhat and q from them.
template <typename Out>
struct GradRow {
  const float* v;
  const Out* dout;
  const float* weight;
  RowStats stats;

  HWY_INLINE Vector xhat(int64_t c, int64_t count) const {
    return stats.normalize(load_part(Tag(), v + c, count));
  }
  HWY_INLINE Vector dy(int64_t c, int64_t count) const { return load_part(Tag(), dout + c, count); }
  HWY_INLINE Vector q(int64_t c, int64_t count) const {
    return hn::Mul(load_part(Tag(), weight + c, count), dy(c, count));
  }
};

template <typename Out>
HWY_FLATTEN GradMeans grad_means(const AddNormParams& params, const GradRow<Out>& row) {
  const auto dim = static_cast<float>(params.dim);
  if (params.kind == NormKind::kRms) {
    const float xhat_q = sum_row(params.dim, [&](int64_t c, int64_t count) HWY_ATTR {
      return hn::Mul(row.xhat(c, count), row.q(c, count));
    });
    return {0.0F, xhat_q / dim};
  }
  const FloatPair sums = sum_row_pair(params.dim, [&](int64_t c, int64_t count) HWY_ATTR {
    const Vector q = row.q(c, count);
    return VectorPair{q, hn::Mul(row.xhat(c, count), q)};
  });
  return {sums.first / dim, sums.second / dim};
}

// Writes dv and dx of one row.
template <typename X, typename Out>
HWY_FLATTEN void write_row(
    const AddNormBackwardParams& params, const GradRow<Out>& row, GradMeans means, int64_t index) {
  const Tag d;
  const AddNormParams& forward = params.forward;
  const int64_t base = index * forward.dim;
  const NormRowScale scale = norm_row_scale(forward, index);
  const bool is_scaled = forward.sample_mask != nullptr || forward.keep != 1.0F;
  for_each_vector(forward.dim, [&](int64_t c, int64_t count) HWY_ATTR {
    const Vector centred = hn::Sub(row.q(c, count), hn::Set(d, means.q));
    Vector dv = hn::NegMulAdd(row.xhat(c, count), hn::Set(d, means.xhat_q), centred);
    dv = hn::Mul(dv, hn::Set(d, row.stats.rstd));
    if (params.dresidual != nullptr) {
      dv = hn::Add(dv, load_part(d, params.dresidual + base + c, count));
    }
    if (params.dv != nullptr) {
      store_part(d, dv, params.dv + base + c, count);
    }
    if (params.dx != nullptr) {
      if (is_scaled) {
        dv = hn::Div(hn::Mul(dv, hn::Set(d, scale.mask)), hn::Set(d, scale.keep));
      }
      store_part(d, dv, static_cast<X*>(params.dx) + base + c, count);
    }
  });
}

template <typename Out>
HWY_FLATTEN GradRow<Out> make_grad_row(const AddNormBackwardParams& params, int64_t index) {
  const AddNormParams& forward = params.forward;
  const float* v = params.v + index * forward.dim;
  const auto load_v = [&](int64_t c, int64_t count)
                          HWY_ATTR { return load_part(Tag(), v + c, count); };
  return {
      v,
      static_cast<const Out*>(params.dout) + index * forward.dim,
      forward.weight,
      row_stats(forward, load_v, load_v)};
}

// Sums dweight and dbias over a block's rows, in registers.
template <typename Out>
HWY_FLATTEN void weight_grads(
    const AddNormBackwardParams& params,
    const GradRow<Out>* rows,
    int64_t num_rows,
    float* partial) {
  const Tag d;
  const int64_t dim = params.forward.dim;
  for_each_vector(dim, [&](int64_t c, int64_t count) HWY_ATTR {
    Vector dweight = hn::Zero(d);
    Vector dbias = hn::Zero(d);
    for (int64_t i = 0; i < num_rows; ++i) {
      const Vector dy = rows[i].dy(c, count);
      dweight = hn::MulAdd(rows[i].xhat(c, count), dy, dweight);
      dbias = hn::Add(dbias, dy);
    }
    store_part(d, dweight, partial + c, count);
    store_part(d, dbias, partial + dim + c, count);
  });
}

template <typename X, typename Out>
void backward_block(const AddNormBackwardParams& params, int64_t block) {
  const RowRange range = norm_block_rows(params.forward, block);
  GradRow<Out> rows[kNormBlock];
  for (int64_t row = range.begin; row < range.end; ++row) {
    GradRow<Out>& own = rows[row - range.begin];
    own = make_grad_row<Out>(params, row);
    write_row<X>(params, own, grad_means(params.forward, own), row);
  }
  weight_grads(params, rows, range.end - range.begin, norm_partial(params, block));
}

// Calls f(x storage tag, out storage tag).
template <typename F>
void visit_dtypes(const AddNormParams& params, F f) {
  visit_dtype(params.x_dtype, [&](auto x_tag) {
    visit_dtype(params.out_dtype, [&](auto out_tag) { f(x_tag, out_tag); });
  });
}

void forward_rows(const AddNormParams& params, RowRange rows) {
  visit_dtypes(params, [&](auto x_tag, auto out_tag) {
    for (int64_t block = rows.begin; block < rows.end; ++block) {
      const RowRange range = norm_block_rows(params, block);
      for (int64_t row = range.begin; row < range.end; ++row) {
        forward_row<decltype(x_tag), decltype(out_tag)>(params, row);
      }
    }
  });
}

void backward_rows(const AddNormBackwardParams& params, RowRange rows) {
  visit_dtypes(params.forward, [&](auto x_tag, auto out_tag) {
    for (int64_t block = rows.begin; block < rows.end; ++block) {
      backward_block<decltype(x_tag), decltype(out_tag)>(params, block);
    }
  });
}

}  // namespace
}  // namespace vim::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace vim::kernels {

HWY_EXPORT(forward_rows);
HWY_EXPORT(backward_rows);

namespace simd {

void add_norm_forward(const AddNormParams& params, RowRange rows) {
  HWY_DYNAMIC_DISPATCH(forward_rows)(params, rows);
}

void add_norm_backward(const AddNormBackwardParams& params, RowRange rows) {
  HWY_DYNAMIC_DISPATCH(backward_rows)(params, rows);
}

}  // namespace simd
}  // namespace vim::kernels
#endif
