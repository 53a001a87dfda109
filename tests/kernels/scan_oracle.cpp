#include "tests/kernels/scan_oracle.h"

#include <cmath>
#include <random>

namespace vim::tests {
namespace {

double sigmoid(double x) { return 1.0 / (1.0 + std::exp(-x)); }
double silu(double x) { return x * sigmoid(x); }

// One direction of one sample and channel. Arrays are indexed by token; h by (token, state).
struct ChannelTrace {
  std::vector<double> raw, dt, y, h;
};

// The tensors of one direction; an absent one reads as 0.
class Direction {
 public:
  Direction(const ScanCase& the_case, const Tensors& inputs, int i)
      : scan(the_case),
        index(i),
        u(find(inputs, "u")),
        delta(find(inputs, "delta")),
        A(find(inputs, "A")),
        B(find(inputs, "B")),
        C(find(inputs, "C")),
        D(find(inputs, "D")),
        delta_bias(find(inputs, "delta_bias")) {}

  const ScanCase& scan;
  const int index;

  std::string name(const std::string& tensor) const { return tensor + std::to_string(index); }
  // First token walked, and the step to the next.
  bool reversed() const { return scan.reversed != (index == 1); }
  int64_t first() const { return reversed() ? scan.seqlen - 1 : 0; }
  int64_t step() const { return reversed() ? -1 : 1; }
  bool inside(int64_t t) const { return t >= 0 && t < scan.seqlen; }
  int64_t token_index(int64_t b, int64_t t, int64_t c) const {
    return (b * scan.seqlen + t) * scan.d_inner + c;
  }
  int64_t state_index(int64_t b, int64_t t, int64_t c, int64_t n) const {
    const int64_t group = c / (scan.d_inner / scan.groups);
    return ((b * scan.seqlen + t) * scan.groups + group) * scan.d_state + n;
  }

  ChannelTrace trace(int64_t b, int64_t c) const {
    const int64_t states = scan.d_state;
    ChannelTrace out;
    out.raw.resize(scan.seqlen);
    out.dt.resize(scan.seqlen);
    out.y.resize(scan.seqlen);
    out.h.resize(scan.seqlen * states);
    for (int64_t t = first(); inside(t); t += step()) {
      const double raw = delta[token_index(b, t, c)] + at(delta_bias, c);
      const double dt = scan.softplus && raw <= 20.0 ? std::log1p(std::exp(raw)) : raw;
      const double input = u[token_index(b, t, c)];
      out.raw[t] = raw;
      out.dt[t] = dt;
      out.y[t] = at(D, c) * input;
      for (int64_t n = 0; n < states; ++n) {
        const double before = t == first() ? 0.0 : out.h[(t - step()) * states + n];
        const double added = dt * B[state_index(b, t, c, n)] * input;
        out.h[t * states + n] = std::exp(dt * A[c * states + n]) * before + added;
        out.y[t] += C[state_index(b, t, c, n)] * out.h[t * states + n];
      }
    }
    return out;
  }

  // Adds the gradients of one channel, given the gradient of y by token.
  void backpropagate(
      int64_t b,
      int64_t c,
      const ChannelTrace& seen,
      const std::vector<double>& dy,
      Tensors& grads) const {
    const int64_t states = scan.d_state;
    std::vector<double>& du = grads.at(name("du"));
    std::vector<double>& ddelta = grads.at(name("ddelta"));
    std::vector<double>& dA = grads.at(name("dA"));
    std::vector<double>& dB = grads.at(name("dB"));
    std::vector<double>& dC = grads.at(name("dC"));
    for (int64_t n = 0; n < states; ++n) {
      const double rate = A[c * states + n];
      double later = 0.0;  // exp(dt A) times the state's gradient, of the token walked after
      for (int64_t t = reversed() ? 0 : scan.seqlen - 1; inside(t); t -= step()) {
        const int64_t tc = token_index(b, t, c);
        const int64_t tn = state_index(b, t, c, n);
        const double dh = dy[t] * C[tn] + later;
        const double before = t == first() ? 0.0 : seen.h[(t - step()) * states + n];
        const double decay = std::exp(seen.dt[t] * rate);
        dC[tn] += dy[t] * seen.h[t * states + n];
        dB[tn] += dh * seen.dt[t] * u[tc];
        du[tc] += dh * seen.dt[t] * B[tn];
        dA[c * states + n] += dh * before * decay * seen.dt[t];
        ddelta[tc] += dh * (B[tn] * u[tc] + before * decay * rate);
        later = dh * decay;
      }
    }
    for (int64_t t = 0; t < scan.seqlen; ++t) {
      const int64_t tc = token_index(b, t, c);
      if (scan.softplus && seen.raw[t] <= 20.0) ddelta[tc] *= sigmoid(seen.raw[t]);
      du[tc] += at(D, c) * dy[t];
      if (scan.has_D) grads.at(name("dD"))[c] += dy[t] * u[tc];
      if (scan.has_bias) grads.at(name("ddelta_bias"))[c] += ddelta[tc];
    }
  }

 private:
  const double* find(const Tensors& inputs, const std::string& tensor) const {
    const auto found = inputs.find(name(tensor));
    return found == inputs.end() ? nullptr : found->second.data();
  }
  static double at(const double* values, int64_t i) { return values == nullptr ? 0.0 : values[i]; }

  const double *u, *delta, *A, *B, *C, *D, *delta_bias;
};

std::vector<std::string> direction_inputs(const ScanCase& scan) {
  std::vector<std::string> names = {"u", "delta", "A", "B", "C"};
  if (scan.has_D) names.push_back("D");
  if (scan.has_bias) names.push_back("delta_bias");
  return names;
}

std::pair<double, double> input_range(const ScanCase& scan, const std::string& name) {
  if (name == "A") return {-scan.a_max, -scan.a_min};
  if (name == "delta") return {scan.delta_min, scan.delta_max};
  if (name == "delta_bias") return {-0.5, 0.5};
  if (name == "z") return {-4.0, 4.0};
  return {-1.0, 1.0};
}

std::vector<double> make_input(
    const ScanCase& scan, const std::string& name, std::mt19937& engine) {
  const auto [low, high] = input_range(scan, name);
  std::vector<double> values(scan_tensor_size(scan, name));
  for (double& value : values) value = low + (high - low) * (engine() * 0x1p-32);
  return values;
}

}  // namespace

int64_t scan_tensor_size(const ScanCase& scan, const std::string& name) {
  if (name == "A") return scan.d_inner * scan.d_state;
  if (name == "D" || name == "delta_bias") return scan.d_inner;
  if (name == "B" || name == "C") return scan.batch * scan.seqlen * scan.groups * scan.d_state;
  if (name == "last_state") return scan.batch * scan.d_inner * scan.d_state;
  return scan.batch * scan.seqlen * scan.d_inner;
}

Tensors make_scan_inputs(const ScanCase& scan, uint32_t seed) {
  std::mt19937 engine(seed);
  Tensors inputs;
  for (int i = 0; i < scan.num_directions; ++i) {
    for (const std::string& name : direction_inputs(scan)) {
      inputs[name + std::to_string(i)] = make_input(scan, name, engine);
    }
  }
  inputs["dout"] = make_input(scan, "dout", engine);
  if (scan.has_z) inputs["z"] = make_input(scan, "z", engine);
  return inputs;
}

Tensors oracle_scan_forward(const ScanCase& scan, const Tensors& inputs) {
  Tensors results;
  std::vector<double>& out = results["out"];
  out.assign(scan_tensor_size(scan, "out"), 0.0);
  for (int i = 0; i < scan.num_directions; ++i) {
    const Direction direction(scan, inputs, i);
    std::vector<double>& last_state = results["last_state" + std::to_string(i)];
    for (int64_t row = 0; row < scan.batch * scan.d_inner; ++row) {
      const int64_t b = row / scan.d_inner;
      const int64_t c = row % scan.d_inner;
      const ChannelTrace seen = direction.trace(b, c);
      for (int64_t t = 0; t < scan.seqlen; ++t) {
        const int64_t tc = direction.token_index(b, t, c);
        const double gate = scan.has_z ? silu(inputs.at("z")[tc]) : 1.0;
        out[tc] += double{scan.scale} * seen.y[t] * gate;
      }
      const int64_t last = direction.reversed() ? 0 : scan.seqlen - 1;
      const auto state = seen.h.begin() + last * scan.d_state;
      last_state.insert(last_state.end(), state, state + scan.d_state);
    }
  }
  return results;
}

Tensors oracle_scan_backward(const ScanCase& scan, const Tensors& inputs) {
  Tensors grads;
  for (const auto& [name, values] : inputs) {
    if (name != "dout") grads["d" + name].assign(values.size(), 0.0);
  }
  for (int i = 0; i < scan.num_directions; ++i) {
    const Direction direction(scan, inputs, i);
    for (int64_t row = 0; row < scan.batch * scan.d_inner; ++row) {
      const int64_t b = row / scan.d_inner;
      const int64_t c = row % scan.d_inner;
      const ChannelTrace seen = direction.trace(b, c);
      std::vector<double> dy(scan.seqlen);
      for (int64_t t = 0; t < scan.seqlen; ++t) {
        const int64_t tc = direction.token_index(b, t, c);
        const double dgated = inputs.at("dout")[tc] * double{scan.scale};
        dy[t] = dgated;
        if (!scan.has_z) continue;
        const double z = inputs.at("z")[tc];
        const double slope = sigmoid(z) * (1.0 + z * (1.0 - sigmoid(z)));
        dy[t] = dgated * silu(z);
        if (i == 0 || !scan.gate_defect) grads["dz"][tc] += dgated * seen.y[t] * slope;
      }
      direction.backpropagate(b, c, seen, dy, grads);
    }
    const std::string suffix = std::to_string(i);
    std::vector<double>& dA = grads.at("dA" + suffix);
    const std::vector<double>& A = inputs.at("A" + suffix);
    for (size_t n = 0; scan.dA_of_log && n < dA.size(); ++n) dA[n] *= A[n];
  }
  return grads;
}

}  // namespace vim::tests
