// Every kind of golden case: how a file is recognised and how it is run.
#pragma once

#include <filesystem>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/golden_runner/golden_file.h"
#include "tests/golden_runner/pth_cases.h"

namespace vim::golden {

/// Which backends run a kind: the host alone; the host with every vector instruction set; the host
/// and the CUDA kernels, emulated and on a GPU; every backend; or, for full-size models, every
/// backend but the emulated one, which would take hours.
enum class Coverage { kHost, kVectors, kDevices, kBackends, kFastBackends };

/// Thrown by a case that lacks what it needs outside the golden folder; the text says what.
class Skipped : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// A kind of case. Files are recognised by prefix and extension.
struct Kind {
  std::string prefix;
  std::string extension;
  Checks (*run)(const std::filesystem::path& path);
  Coverage coverage = Coverage::kHost;
};

const std::vector<Kind>& all_kinds();

Checks run_scan(const std::filesystem::path& path);
Checks run_conv(const std::filesystem::path& path);
Checks run_norm(const std::filesystem::path& path);
Checks run_mixer(const std::filesystem::path& path);
Checks run_model(const std::filesystem::path& path);
Checks run_recipe(const std::filesystem::path& path);
Checks run_init(const std::filesystem::path& path);
Checks run_lr_schedule(const std::filesystem::path& path);
Checks run_param_groups(const std::filesystem::path& path);
Checks run_sampler(const std::filesystem::path& path);
Checks run_ema(const std::filesystem::path& path);
Checks run_adamw(const std::filesystem::path& path);
Checks run_pos_interp(const std::filesystem::path& path);
Checks run_loss(const std::filesystem::path& path);
Checks run_mixup(const std::filesystem::path& path);
Checks run_resize(const std::filesystem::path& path);
Checks run_augment_ops(const std::filesystem::path& path);
Checks run_random_resized_crop(const std::filesystem::path& path);
Checks run_eval(const std::filesystem::path& path);

}  // namespace vim::golden
