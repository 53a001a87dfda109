// Exit codes and version text.
#include "apps/app_main.h"

#include <fmt/format.h>

#include <cstdlib>
#include <exception>
#include <sstream>

#include "kernels/backend.h"
#include "src/core/error.h"
#include "src/core/logging.h"

namespace vim::apps {
namespace {

// c10::Error appends a stack trace after the first line; the message is what comes before.
std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

// Each mistake begins a line of its own; indented lines go on with the one before.
int fail(const std::string& text, int code) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    fmt::print(stderr, "{}{}\n", line.starts_with("  ") ? "" : "error: ", line);
  }
  return code;
}

}  // namespace

int run_app(CLI::App& app, int argc, char** argv, const std::function<int()>& run) {
  core::init_logging();
  // Fixed-order reductions in cuBLAS; must be set before the first CUDA call of the process.
  setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8", /*overwrite=*/0);
  app.set_version_flag("--version", version_text(app.get_name()));
  try {
    app.parse(argc, argv);
    return run();
  } catch (const CLI::Success& success) {
    return app.exit(success);
  } catch (const CLI::ParseError& error) {
    return fail(fmt::format("{}; see {} --help", error.what(), app.get_name()), kExitUserMistake);
  } catch (const Error& error) {
    return fail(error.what(), kExitUserMistake);
  } catch (const std::exception& error) {
    return fail(first_line(error.what()), kExitFailure);
  }
}

std::string version_text(const std::string& program) {
  return fmt::format(
      "{} {} (commit {})\nLibTorch {}, CUDA {}, SIMD {}",
      program,
      VIM_VERSION,
      VIM_COMMIT,
      VIM_TORCH_VERSION,
      VIM_CUDA_VERSION,
      kernels::current_cpu_backend());
}

}  // namespace vim::apps
