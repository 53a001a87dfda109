// vim_bench: how fast this machine runs the model, each figure beside a limit measured in the same
// run.
#include "apps/app_main.h"
#include "apps/bench_loader.h"
#include "apps/bench_model.h"
#include "apps/bench_ops.h"
#include "apps/bench_train.h"

int main(int argc, char** argv) {
  CLI::App app("Measures speed, each figure beside a limit of the same run", "vim_bench");
  app.require_subcommand(1);
  vim::apps::BenchModelOptions options;
  CLI::App* model = app.add_subcommand("model", "Inference and a training step of a preset");
  model->add_option("--preset", options.preset, "vim_tiny, vim_small, ...")->capture_default_str();
  model->add_option("--batch", options.batch, "Images a pass")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  model->add_option("--img-size", options.img_size, "Side of the images; 0: the preset's")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
  model->add_option("--precision", options.precision, "fp32, bf16 or fp16")
      ->capture_default_str()
      ->check(CLI::IsMember({"fp32", "bf16", "fp16"}));
  model->add_option("--device", options.device, "auto, cpu or cuda")
      ->capture_default_str()
      ->check(CLI::IsMember({"auto", "cpu", "cuda"}));
  model->add_option("--recompute", options.recompute, "none, cheap, mixer or block")
      ->capture_default_str()
      ->check(CLI::IsMember({"none", "cheap", "mixer", "block"}));
  model->add_flag("--tf32", options.tf32, "Round the factors of fp32 products to TF32");
  model->add_flag("--inference-only", options.inference_only, "Leave the training step out");
  model->add_option("--backend", options.backend, "Kernels to use: scalar, AVX2, ...");
  model->add_option("--threads", options.threads, "Compute threads; 0: all cores")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
  model->add_option("--repeats", options.repeats, "Passes, of which the fastest counts")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  model->add_option("--json", options.json, "Write the figures to this file");
  vim::apps::BenchOpsOptions ops_options;
  const CLI::App* ops = vim::apps::add_bench_ops(app, ops_options);
  vim::apps::BenchTrainOptions train_options;
  const CLI::App* train = vim::apps::add_bench_train(app, train_options);
  vim::apps::BenchLoaderOptions loader_options;
  const CLI::App* loader = vim::apps::add_bench_loader(app, loader_options);
  return vim::apps::run_app(app, argc, argv, [&] {
    return ops->parsed()      ? vim::apps::bench_ops(ops_options)
           : train->parsed()  ? vim::apps::bench_train(train_options)
           : loader->parsed() ? vim::apps::bench_loader(loader_options)
                              : vim::apps::bench_model(options);
  });
}
