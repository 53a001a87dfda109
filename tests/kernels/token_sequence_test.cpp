// Patches and tokens on the CPU against the definition: exact, for there is one sum.
#include "kernels/token_sequence.h"

#include <stdexcept>

#include "tests/kernels/token_problem.h"
#include "tests/support/catch.h"

namespace vim::tests {
namespace {

TEST_CASE("token_sequence gives the tokens of the definition, however images are shared out") {
  for (const TokenCase& test : token_cases()) {
    INFO(test.name);
    for (const int64_t piece : {kAllRows, int64_t{1}}) {
      TokenRun run(test);
      run_in_pieces(
          kernels::token_sequence_num_rows(run.params), piece, [&](kernels::RowRange rows) {
            kernels::token_sequence(run.params, rows);
            kernels::token_sequence_backward(run.backward, rows);
          });
      CHECK(run.out == expected_tokens(test, run));
      CHECK(run.dpatches.get() == rounded(expected_dpatches(test, run), test.dtype));
    }
  }
}

TEST_CASE("token_sequence refuses slots outside the sequence and missing arrays") {
  const TokenCase test{"both_ends", 2, 5, 8, {0, 6}};
  const auto refuses = [&test](auto change) {
    TokenRun run(test);
    change(run);
    CHECK_THROWS_AS(kernels::check_token_sequence(run.params), std::invalid_argument);
  };
  refuses([](TokenRun& run) { run.params.cls_slots[1] = 7; });
  refuses([](TokenRun& run) { run.params.cls_slots[1] = 0; });
  refuses([](TokenRun& run) { run.params.cls_slots[0] = -1; });
  refuses([](TokenRun& run) { run.params.num_cls_tokens = 3; });
  refuses([](TokenRun& run) { run.params.batch = 0; });
  refuses([](TokenRun& run) { run.params.patches = nullptr; });
  refuses([](TokenRun& run) { run.params.cls_tokens[1] = nullptr; });
  TokenRun run(test);
  run.backward.dout = nullptr;
  CHECK_THROWS_AS(kernels::check_token_sequence_backward(run.backward), std::invalid_argument);
}

}  // namespace
}  // namespace vim::tests
