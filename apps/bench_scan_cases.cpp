// The selective scan as the mixer calls it: z is the second half of the in-projection's rows, B and
// C are columns of the small projection's.
#include <memory>

#include "apps/bench_arrays.h"
#include "apps/bench_cases.h"

namespace vim::apps {
namespace {

using kernels::ScanBackwardParams;
using kernels::ScanDirection;
using kernels::ScanDirectionGrads;
using kernels::ScanParams;

constexpr int64_t kLongSeqlen = 6085;  // 1248 x 1248 pixels in patches of 16, and the class token
constexpr int64_t kRowMultiple = 8;    // of the small projection's rows, as the mixer pads them

// What differs between the cases.
struct ScanForm {
  int64_t batch = 0;
  int64_t seqlen = 0;
  int num_directions = 0;
  bool has_y = false;
  bool keeps_states = false;  // where the kernels can
};

ScanForm mixer_form(const CaseSetting& setting, bool has_y) {
  return {setting.options.batch, setting.options.seqlen, kernels::kMaxDirections, has_y};
}

ScanForm long_form(bool has_y) { return {1, kLongSeqlen, 1, has_y}; }

ScanForm keeping(ScanForm form) {
  form.keeps_states = true;
  return form;
}

class ScanProblem {
 public:
  ScanProblem(const CaseSetting& setting, const ScanForm& form)
      : arrays_(setting.device, setting.seed),
        dtype_(setting.dtype),
        dt_rank_((setting.options.embed_dim + 15) / 16) {
    ScanParams& p = backward_.forward;
    p.batch = form.batch;
    p.seqlen = form.seqlen;
    p.d_inner = 2 * setting.options.embed_dim;
    p.d_state = setting.options.d_state;
    p.dtype = setting.dtype;
    p.num_directions = form.num_directions;
    p.scale = form.num_directions == 2 ? 0.5F : 1.0F;
    p.z = arrays_.random_tokens(shape(2 * p.d_inner), p.batch, {-2.0F, 2.0F}).view(p.d_inner);
    p.out = arrays_.tokens(shape(p.d_inner), p.batch).mutable_view();
    if (form.has_y) {
      p.y = arrays_.tokens(shape(p.d_inner), p.batch).mutable_view();
    }
    for (int i = 0; i < p.num_directions; ++i) {
      fill_direction(p.direction[i], i == 1);
    }
  }

  ScanParams& forward() { return backward_.forward; }
  ScanBackwardParams& backward() { return backward_; }
  BenchArrays& arrays() { return arrays_; }

  void add_grads() {
    const ScanParams& p = backward_.forward;
    backward_.dout = arrays_.random_tokens(shape(p.d_inner), p.batch, {}).view();
    backward_.dz = arrays_.tokens(shape(2 * p.d_inner), p.batch).mutable_view(p.d_inner);
    for (int i = 0; i < p.num_directions; ++i) {
      ScanDirectionGrads& grads = backward_.grads[i];
      grads.du = arrays_.tokens(shape(p.d_inner), p.batch).mutable_view();
      grads.ddelta = arrays_.tokens(shape(p.d_inner), p.batch).mutable_view();
      const TokenArray dp = arrays_.tokens(shape(projection_row()), p.batch);
      grads.dB = dp.mutable_view(dt_rank_);
      grads.dC = dp.mutable_view(dt_rank_ + p.d_state);
      grads.dA = arrays_.floats(p.d_inner * p.d_state);
      grads.dD = arrays_.floats(p.d_inner);
      grads.ddelta_bias = arrays_.floats(p.d_inner);
    }
  }

  // Gives the kernels a place for the states that they can keep.
  void keep_states(const kernels::DeviceEntries& entries) {
    ScanParams& p = backward_.forward;
    kept_bytes_ = entries.selective_scan_kept_states_size(p);
    p.kept_states = kept_bytes_ > 0 ? arrays_.allocate(kept_bytes_) : nullptr;
  }

  // The states that are kept, which one pass writes and the other reads.
  double kept_bytes() const { return static_cast<double>(kept_bytes_); }

  // Tokens times channels, of one array as wide as d_inner.
  double wide_bytes() const { return bytes_of(backward_.forward.d_inner); }

  // u, delta, B and C of all directions, or their gradients; A, D and the bias, or theirs.
  double direction_bytes() const {
    const ScanParams& p = backward_.forward;
    const double by_token = 2.0 * wide_bytes() + 2.0 * bytes_of(p.d_state);
    const double by_channel = 4.0 * static_cast<double>(p.d_inner * (p.d_state + 2));
    return p.num_directions * (by_token + by_channel);
  }

  // One for each token, channel, state and direction.
  double exponentials() const {
    const ScanParams& p = backward_.forward;
    return static_cast<double>(p.batch * p.seqlen * p.d_inner * p.d_state * p.num_directions);
  }

  nlohmann::ordered_json sizes() const {
    const ScanParams& p = backward_.forward;
    return {
        {"batch", p.batch},
        {"seqlen", p.seqlen},
        {"d_inner", p.d_inner},
        {"d_state", p.d_state},
        {"directions", p.num_directions}};
  }

 private:
  TokenArray shape(int64_t row) const { return {nullptr, dtype_, backward_.forward.seqlen, row}; }

  int64_t projection_row() const {
    const int64_t columns = dt_rank_ + 2 * backward_.forward.d_state;
    return (columns + kRowMultiple - 1) / kRowMultiple * kRowMultiple;
  }

  double bytes_of(int64_t channels) const {
    const ScanParams& p = backward_.forward;
    return static_cast<double>(p.batch * p.seqlen * channels * dtype_bytes(dtype_));
  }

  // delta and its bias are before softplus: dt comes out between 0.002 and 0.2.
  void fill_direction(ScanDirection& direction, bool reversed) {
    const ScanParams& p = backward_.forward;
    direction.u = arrays_.random_tokens(shape(p.d_inner), p.batch, {}).view();
    direction.delta = arrays_.random_tokens(shape(p.d_inner), p.batch, {-0.5F, 0.5F}).view();
    const TokenArray projection = arrays_.random_tokens(shape(projection_row()), p.batch, {});
    direction.B = projection.view(dt_rank_);
    direction.C = projection.view(dt_rank_ + p.d_state);
    direction.A = arrays_.random_floats(p.d_inner * p.d_state, {-16.0F, -0.5F});
    direction.D = arrays_.random_floats(p.d_inner, {0.5F, 1.5F});
    direction.delta_bias = arrays_.random_floats(p.d_inner, {-6.0F, -2.0F});
    direction.reversed = reversed;
  }

  BenchArrays arrays_;
  kernels::DType dtype_;
  int64_t dt_rank_;
  size_t kept_bytes_ = 0;
  ScanBackwardParams backward_;
};

// Reads u, delta, B, C, A, D, bias and z; writes out, and y and states where they are kept.
OpCase make_forward(const CaseSetting& setting, const ScanForm& form) {
  const auto problem = std::make_shared<ScanProblem>(setting, form);
  const kernels::DeviceEntries& entries = setting.device.entries();
  ScanParams& params = problem->forward();
  if (form.keeps_states) problem->keep_states(entries);
  params.workspace =
      problem->arrays().allocate(entries.selective_scan_forward_workspace_size(params));
  const double wide_arrays = form.has_y ? 3.0 : 2.0;
  return {
      problem->sizes(),
      problem->direction_bytes() + wide_arrays * problem->wide_bytes() + problem->kept_bytes(),
      problem->exponentials(),
      [problem, &entries, stream = setting.device.stream()] {
        entries.selective_scan_forward(problem->forward(), stream);
      }};
}

// Reads what the forward reads, dout, and y where it is kept; writes the gradients of all inputs
// and, as the mixer wants it for the out-projection's gradient, out again. The states are computed
// again, so every exponential counts twice: for the states and for their gradients. Kept states
// save the first: within a tile of tokens, where they are computed again, so are the gradients.
OpCase make_backward(const CaseSetting& setting, const ScanForm& form) {
  const auto problem = std::make_shared<ScanProblem>(setting, form);
  const kernels::DeviceEntries& entries = setting.device.entries();
  problem->add_grads();
  ScanBackwardParams& params = problem->backward();
  if (form.keeps_states) problem->keep_states(entries);
  if (form.has_y) {  // what the backward reads is what a forward has written
    ScanParams forward = params.forward;
    forward.workspace =
        problem->arrays().allocate(entries.selective_scan_forward_workspace_size(forward));
    entries.selective_scan_forward(forward, setting.device.stream());
  }
  params.workspace =
      problem->arrays().allocate(entries.selective_scan_backward_workspace_size(params));
  const double wide_arrays = form.has_y ? 5.0 : 4.0;  // z, dout, dz, out and y
  return {
      problem->sizes(),
      2.0 * problem->direction_bytes() + wide_arrays * problem->wide_bytes() +
          problem->kept_bytes(),
      (problem->kept_bytes() > 0.0 ? 1.0 : 2.0) * problem->exponentials(),
      [problem, &entries, stream = setting.device.stream()] {
        entries.selective_scan_backward(problem->backward(), stream);
        entries.selective_scan_backward_reduce(problem->backward(), stream);
      }};
}

OpCase forward(const CaseSetting& setting) {
  return make_forward(setting, mixer_form(setting, false));
}

OpCase forward_y(const CaseSetting& setting) {
  return make_forward(setting, mixer_form(setting, true));
}

OpCase forward_keeping(const CaseSetting& setting) {
  return make_forward(setting, keeping(mixer_form(setting, true)));
}

OpCase backward_kept(const CaseSetting& setting) {
  return make_backward(setting, keeping(mixer_form(setting, true)));
}

OpCase backward(const CaseSetting& setting) {
  return make_backward(setting, mixer_form(setting, setting.device.traits().keeps_ungated_sum));
}

OpCase forward_long(const CaseSetting& setting) { return make_forward(setting, long_form(false)); }

OpCase backward_long(const CaseSetting& setting) {
  return make_backward(setting, long_form(setting.device.traits().keeps_ungated_sum));
}

}  // namespace

std::vector<CaseMaker> scan_cases(const BenchTraits& traits) {
  std::vector<CaseMaker> cases = {{"selective_scan_forward", forward}};
  if (traits.keeps_ungated_sum) {
    cases.push_back({"selective_scan_forward_y", forward_y});
    cases.push_back({"selective_scan_forward_keeping", forward_keeping});
    cases.push_back({"selective_scan_backward_kept", backward_kept});
  }
  cases.push_back({"selective_scan_backward", backward});
  cases.push_back({"selective_scan_forward_long", forward_long});
  cases.push_back({"selective_scan_backward_long", backward_long});
  return cases;
}

}  // namespace vim::apps
