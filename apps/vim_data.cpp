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
}
