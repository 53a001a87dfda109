// vim_data: makes data sets and looks after them. Each command is declared in a file of its own.
#include <functional>

#include "apps/app_main.h"
#include "apps/data_index.h"
#include "apps/data_preview.h"
#include "apps/data_shapes.h"
#include "apps/data_stats.h"
#include "apps/data_verify.h"

int main(int argc, char** argv) {
  CLI::App app("Makes data sets and looks after them", "vim_data");
  app.require_subcommand(1);
  std::function<int()> run;
  vim::apps::declare_data_shapes(app, run);
  vim::apps::declare_data_index(app, run);
  vim::apps::declare_data_verify(app, run);
  vim::apps::declare_data_stats(app, run);
  vim::apps::declare_data_preview(app, run);
  return vim::apps::run_app(app, argc, argv, [&run] { return run(); });
}
