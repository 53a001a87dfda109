// vim_data: makes data sets and looks after them. Each command is declared in a file of its own.
#include "apps/app_main.h"
#include "apps/data_index.h"
#include "apps/data_shapes.h"

int main(int argc, char** argv) {
  CLI::App app("Makes data sets and their indexes", "vim_data");
  app.require_subcommand(1);
  std::function<int()> run;
  vim::apps::declare_data_shapes(app, run);
  vim::apps::declare_data_index(app, run);
  return vim::apps::run_app(app, argc, argv, [&run] { return run(); });
// vim_data: makes data sets and looks into them.
#include <cstdio>
#include <functional>
#include <string>

#include "apps/app_main.h"
#include "apps/data_preview.h"
#include "apps/data_stats.h"
#include "apps/data_verify.h"
#include "src/data/shapes.h"

namespace {

struct Arguments {
  std::string dir;
  vim::data::ShapesOptions shapes;
};

void declare_make_shapes(CLI::App& app, Arguments& arguments) {
  CLI::App* command = app.add_subcommand("make-shapes", "write the generated shapes image set");
  vim::data::ShapesOptions& shapes = arguments.shapes;
  command->add_option("DIR", arguments.dir, "folder to make; gets train/ and test/")->required();
  command->add_option("--size", shapes.size, "side of the images in pixels")->capture_default_str();
  command->add_option("--train-per-class", shapes.train_per_class, "training images of a class")
      ->capture_default_str();
  command->add_option("--test-per-class", shapes.test_per_class, "test images of a class")
      ->capture_default_str();
  command->add_option("--seed", shapes.seed, "seed of all draws")->capture_default_str();
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Makes data sets and looks into them", "vim_data");
  app.require_subcommand(1);
  Arguments arguments;
  declare_make_shapes(app, arguments);
  std::function<int()> run;
  vim::apps::declare_data_preview(app, run);
  vim::apps::declare_data_stats(app, run);
  vim::apps::declare_data_verify(app, run);
  return vim::apps::run_app(app, argc, argv, [&] {
    if (run) return run();
    vim::data::make_shapes(arguments.dir, arguments.shapes);
    std::printf("%s: train/ and test/ are complete\n", arguments.dir.c_str());
    return vim::apps::kExitDone;
  });
}
