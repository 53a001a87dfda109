// vim_data: makes and inspects data sets.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <string>

#include "src/core/error.h"
#include "src/core/logging.h"
#include "src/data/shapes.h"

namespace {

constexpr int kUserMistake = 2;

// Declares `make-shapes` and runs it if it is the one named.
void add_make_shapes(CLI::App& app, std::string* dir, vim::data::ShapesOptions* options) {
  CLI::App* command =
      app.add_subcommand("make-shapes", "Write the generated shapes set as image folders");
  command->add_option("DIR", *dir, "Folder to make; holds train/ and test/ afterwards")->required();
  command->add_option("--size", options->size, "Side of the images in pixels")
      ->capture_default_str();
  command->add_option("--train-per-class", options->train_per_class, "Training images per class")
      ->capture_default_str();
  command->add_option("--test-per-class", options->test_per_class, "Test images per class")
      ->capture_default_str();
  command->add_option("--seed", options->seed, "Seed of all draws")->capture_default_str();
  command->callback([dir, options] {
    vim::data::make_shapes(*dir, *options);
    std::printf("%s: train/ and test/ are complete\n", dir->c_str());
  });
}

}  // namespace

int main(int argc, char** argv) {
  vim::core::init_logging();
  CLI::App app("Makes and inspects data sets", "vim_data");
  app.set_version_flag("--version", "vim_data " VIM_VERSION);
  app.require_subcommand(1);
  std::string dir;
  vim::data::ShapesOptions options;
  add_make_shapes(app, &dir, &options);
  try {
    app.parse(argc, argv);
    return 0;
  } catch (const CLI::Success& success) {
    return app.exit(success);
  } catch (const CLI::ParseError& error) {
    std::fprintf(stderr, "error: %s; see vim_data --help\n", error.what());
    return kUserMistake;
  } catch (const vim::Error& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return kUserMistake;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return 1;
  }
}
