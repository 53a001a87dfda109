// vim_bench: how fast this machine runs the model, each figure beside a limit measured in the same
// run.
#include "apps/app_main.h"
#include "apps/bench_model.h"

int main(int argc, char** argv) {
  CLI::App app("Measures speed, each figure beside a limit of the same run", "vim_bench");
  app.require_subcommand(1);
  vim::apps::BenchModelOptions options;
  CLI::App* model = app.add_subcommand("model", "Inference and a training step of a preset");
  model->add_option("--preset", options.preset, "vim_tiny, vim_small, ...")->capture_default_str();
  model->add_option("--batch", options.batch, "Images a pass")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  model->add_option("--precision", options.precision, "fp32 or bf16")
      ->capture_default_str()
      ->check(CLI::IsMember({"fp32", "bf16"}));
  model->add_option("--backend", options.backend, "Kernels to use: scalar, AVX2, ...");
  model->add_option("--threads", options.threads, "Compute threads; 0: all cores")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
  model->add_option("--repeats", options.repeats, "Passes, of which the fastest counts")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  model->add_option("--json", options.json, "Write the figures to this file");
  return vim::apps::run_app(
      app, argc, argv, [&options] { return vim::apps::bench_model(options); });
}
