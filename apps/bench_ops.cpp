// Each op runs on arrays in several copies, one after the other, so that what a launch reads is not
// still in the cache from the launch before. The limit of an op is the longer of two times: its
// bytes at the rate of a large copy, its exponentials at the rate of a loop of nothing else.
#include "apps/bench_ops.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "apps/bench_cases.h"
#include "apps/bench_device.h"
#include "src/core/atomic_file.h"
#include "src/core/error.h"

namespace vim::apps {
namespace {

constexpr int64_t kMaxCopies = 64;
constexpr int64_t kMaxLaunches = 1000;  // in one sample

struct Rates {
  double copy_bytes = 0.0;    // a second
  double exponentials = 0.0;  // a second; 0: not measured
};

struct Measured {
  std::string name;
  OpCase op;  // without run
  double seconds = 0.0;
  int64_t copies = 0;
  bool fits_cache = false;  // all copies together: the copy's rate is then no limit
};

kernels::DType dtype_of(const std::string& name) {
  return name == "bf16"   ? kernels::DType::kBFloat16
         : name == "fp16" ? kernels::DType::kFloat16
                          : kernels::DType::kFloat32;
}

std::unique_ptr<BenchDevice> make_device(const BenchOpsOptions& options) {
  const bool on_gpu = options.device == "cuda" || (options.device == "auto" && has_cuda_device());
  return on_gpu ? make_cuda_device() : make_cpu_device(options.threads);
}

bool is_wanted(const std::string& name, const std::vector<std::string>& wanted) {
  return wanted.empty() || std::any_of(wanted.begin(), wanted.end(), [&name](const auto& begin) {
           return name.starts_with(begin);
         });
}

std::vector<CaseMaker> choose_cases(const BenchOpsOptions& options, const BenchTraits& traits) {
  std::vector<CaseMaker> all = scan_cases(traits);
  const std::vector<CaseMaker> others = layer_cases();
  all.insert(all.end(), others.begin(), others.end());
  std::string names;
  for (const CaseMaker& maker : all) names += std::string(" ") + maker.name;
  for (const std::string& wanted : options.ops) {
    // A name stands behind a space, so this finds beginnings only.
    if (names.find(" " + wanted) == std::string::npos) {
      throw Error(
          fmt::format("--op {}: no op of this device begins so; they are{}", wanted, names));
    }
  }
  std::erase_if(
      all, [&options](const CaseMaker& maker) { return !is_wanted(maker.name, options.ops); });
  return all;
}

// Enough copies to hold twice the cache, and at most kMaxCopies.
std::vector<OpCase> make_copies(const CaseMaker& maker, CaseSetting setting) {
  std::vector<OpCase> copies = {maker.make(setting)};
  const double wanted = 2.0 * static_cast<double>(setting.device.traits().cache_bytes);
  const auto count = static_cast<int64_t>(std::ceil(wanted / copies[0].bytes));
  for (int64_t i = 1; i < std::min(count, kMaxCopies); ++i) {
    ++setting.seed;
    copies.push_back(maker.make(setting));
  }
  return copies;
}

double median_seconds(BenchDevice& device, const std::vector<OpCase>& copies, int64_t repeats) {
  size_t turn = 0;
  const auto launch = [&copies, &turn] { copies[turn++ % copies.size()].run(); };
  const auto all = static_cast<int64_t>(copies.size());
  const BenchTraits& traits = device.traits();
  device.seconds(all, launch);  // first touch of memory, kernels and threads
  const double once = device.seconds(all, launch) / static_cast<double>(all);
  const double wanted = std::min(traits.sample_seconds / once, static_cast<double>(kMaxLaunches));
  const int64_t launches = std::max(traits.min_launches, static_cast<int64_t>(std::ceil(wanted)));
  std::vector<double> samples;
  for (int64_t i = 0; i < repeats; ++i) {
    samples.push_back(device.seconds(launches, launch) / static_cast<double>(launches));
  }
  std::sort(samples.begin(), samples.end());
  return samples[samples.size() / 2];
}

Measured measure(const CaseMaker& maker, const CaseSetting& setting) {
  const std::vector<OpCase> copies = make_copies(maker, setting);
  Measured result{maker.name, copies[0]};
  result.op.run = nullptr;
  result.seconds = median_seconds(setting.device, copies, setting.options.repeats);
  result.copies = static_cast<int64_t>(copies.size());
  const double held = result.op.bytes * static_cast<double>(result.copies);
  result.fits_cache = held < static_cast<double>(setting.device.traits().cache_bytes);
  return result;
}

nlohmann::ordered_json report(
    const Measured& measured, const Rates& rates, const std::string& dtype) {
  const OpCase& op = measured.op;
  const double copy_time = op.bytes / rates.copy_bytes;
  const double exp_time = rates.exponentials > 0.0 ? op.exponentials / rates.exponentials : 0.0;
  const double limit = std::max(copy_time, exp_time);
  fmt::print(
      "{:<28} {:>11.1f} us {:>8.1f} GB/s {:>8.1f} Gexp/s   limit {:>10.1f} us {:<4} {:>5.2f}{}\n",
      measured.name,
      measured.seconds * 1e6,
      op.bytes / measured.seconds / 1e9,
      op.exponentials / measured.seconds / 1e9,
      limit * 1e6,
      exp_time > copy_time ? "exp" : "copy",
      limit / measured.seconds,
      measured.fits_cache ? "  in cache" : "");
  nlohmann::ordered_json json = {{"name", measured.name}, {"dtype", dtype}};
  json.update(op.shape);
  json["us"] = measured.seconds * 1e6;
  json["bytes"] = op.bytes;
  json["gb_s"] = op.bytes / measured.seconds / 1e9;
  if (op.exponentials > 0.0) {
    json["exponentials"] = op.exponentials;
    json["exp_per_s"] = op.exponentials / measured.seconds;
  }
  json["limit_us"] = limit * 1e6;
  json["limit_by"] = exp_time > copy_time ? "exp" : "copy";
  json["fraction"] = limit / measured.seconds;
  json["copies"] = measured.copies;
  json["fits_cache"] = measured.fits_cache;
  return json;
}

Rates measure_rates(BenchDevice& device) {
  const Rates rates{device.copy_bytes_per_second(), device.exponentials_per_second()};
  fmt::print(
      "{}: copy {:.1f} GB/s (read and write), {}\n",
      device.traits().name,
      rates.copy_bytes / 1e9,
      rates.exponentials > 0.0 ? fmt::format("exponentials {:.1f} G/s", rates.exponentials / 1e9)
                               : "exponentials not measured: no limit for them");
  return rates;
}

}  // namespace

CLI::App* add_bench_ops(CLI::App& app, BenchOpsOptions& options) {
  CLI::App* ops = app.add_subcommand("ops", "Every kernel beside its limit");
  const auto positive = [ops](const char* name, int64_t& value, const char* text) {
    ops->add_option(name, value, text)->capture_default_str()->check(CLI::PositiveNumber);
  };
  ops->add_option("--device", options.device, "auto, cpu or cuda")
      ->capture_default_str()
      ->check(CLI::IsMember({"auto", "cpu", "cuda"}));
  ops->add_option("--dtype", options.dtype, "Of activations: fp32, bf16 or fp16")
      ->capture_default_str()
      ->check(CLI::IsMember({"fp32", "bf16", "fp16"}));
  positive("--batch", options.batch, "Sequences, or images");
  positive("--seqlen", options.seqlen, "Tokens of a sequence");
  positive("--embed-dim", options.embed_dim, "Channels of the model; the mixer has twice as many");
  ops->add_option("--d-state", options.d_state, "States of a channel")
      ->capture_default_str()
      ->check(CLI::Range(1, 256));
  ops->add_option("--op", options.ops, "Only ops whose names begin so; may be repeated");
  positive("--repeats", options.repeats, "Samples, of which the median counts");
  ops->add_option("--threads", options.threads, "Threads of the CPU; 0: all cores")
      ->capture_default_str()
      ->check(CLI::Range(0, 4096));
  ops->add_option("--json", options.json, "Write the figures to this file");
  return ops;
}

int bench_ops(const BenchOpsOptions& options) {
  const std::unique_ptr<BenchDevice> device = make_device(options);
  const std::vector<CaseMaker> cases = choose_cases(options, device->traits());
  const Rates rates = measure_rates(*device);
  nlohmann::ordered_json json = {
      {"device", device->traits().name},
      {"copy_gb_s", rates.copy_bytes / 1e9},
      {"exp_per_s",
       rates.exponentials > 0.0 ? nlohmann::ordered_json(rates.exponentials) : nullptr},
      {"ops", nlohmann::ordered_json::array()}};
  const CaseSetting setting{options, dtype_of(options.dtype), *device, 1};
  for (const CaseMaker& maker : cases) {
    json["ops"].push_back(report(measure(maker, setting), rates, options.dtype));
  }
  if (!options.json.empty()) {
    core::write_file_atomically(options.json, json.dump(2) + "\n");
  }
  return kExitDone;
}

}  // namespace vim::apps
