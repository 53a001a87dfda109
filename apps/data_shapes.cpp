// Options of the generator.
#include "apps/data_shapes.h"

#include <fmt/format.h>

#include <memory>
#include <string>

#include "apps/app_main.h"
#include "src/data/shapes.h"

namespace vim::apps {
namespace {

struct Arguments {
  std::string dir;
  data::ShapesOptions shapes;
};

int make_shapes(const Arguments& arguments) {
  data::make_shapes(arguments.dir, arguments.shapes);
  fmt::print("{}: train/ and test/ are complete\n", arguments.dir);
  return kExitDone;
}

}  // namespace

void declare_data_shapes(CLI::App& app, std::function<int()>& run) {
  auto arguments = std::make_shared<Arguments>();
  data::ShapesOptions& shapes = arguments->shapes;
  CLI::App* command = app.add_subcommand("make-shapes", "write the generated shapes image set");
  command->add_option("DIR", arguments->dir, "folder to make; gets train/ and test/")->required();
  command->add_option("--size", shapes.size, "side of the images in pixels")->capture_default_str();
  command->add_option("--train-per-class", shapes.train_per_class, "training images of a class")
      ->capture_default_str();
  command->add_option("--test-per-class", shapes.test_per_class, "test images of a class")
      ->capture_default_str();
  command->add_option("--seed", shapes.seed, "seed of all draws")->capture_default_str();
  command->callback([arguments, &run] { run = [arguments] { return make_shapes(*arguments); }; });
}

}  // namespace vim::apps
