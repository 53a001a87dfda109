// Options of one Mamba mixer. Free of LibTorch, so that the configuration can read them anywhere.
#pragma once

#include <cmath>
#include <cstdint>
#include <optional>

namespace vim::nn {

/// Which directions a mixer walks (vim_spec 2.4): one; two that share convolution and projections;
/// two with parameters of their own.
enum class Bimamba { kNone, kV1, kV2 };

/// How dt_proj.weight starts: uniform in +-s, or s everywhere; s = dt_rank^(-1/2) * dt_scale.
enum class DtInit { kRandom, kConstant };

struct MambaMixerOptions {
  int64_t embed_dim = 192;
  int64_t d_state = 16;
  int64_t d_conv = 4;
  double expand = 2.0;
  int64_t dt_rank = 0;  // 0: ceil(embed_dim / 16)
  double dt_min = 0.001;
  double dt_max = 0.1;
  double dt_scale = 1.0;
  double dt_init_floor = 1e-4;
  DtInit dt_init = DtInit::kRandom;
  bool conv_bias = true;
  bool linear_bias = false;  // of in_proj and out_proj
  Bimamba bimamba = Bimamba::kV2;
  bool divide_out = true;             // v2: average the directions instead of adding them
  std::optional<double> layer_scale;  // start value of gamma; absent: no gamma
  bool v1_gate_defect = false;        // the official v1 gradient, which loses part of dz

  int64_t d_inner() const { return static_cast<int64_t>(expand * static_cast<double>(embed_dim)); }
  int64_t effective_dt_rank() const { return dt_rank > 0 ? dt_rank : (embed_dim + 15) / 16; }
};

}  // namespace vim::nn
