// Add+norm on every backend against the definition in double.
#include "kernels/add_norm.h"

#include <cmath>
#include <stdexcept>

#include "tests/kernels/norm_problem.h"
#include "tests/support/catch.h"

namespace vim::tests {
namespace {

using kernels::DType;
using kernels::NormKind;

constexpr NormKind kRms = NormKind::kRms;
constexpr NormKind kLayer = NormKind::kLayer;
constexpr double kOutLimit =
    5e-6;  // the golden limits for float arithmetic; storage rounding comes on top
constexpr double kGradLimit = 1e-5;

TEST_CASE("add_norm agrees with the definition in double on every backend", "[norm]") {
  for (const NormCase& test : norm_cases()) {
    const NormInputs in = make_norm_inputs(test);
    for_each_backend([&](const std::string& backend) {
      INFO(test.name << " on " << backend);
      NormRun run(test, in);
      run.run(kAllRows);
      const NormResults expected = norm_oracle(test, in, from_floats(run.v));
      CHECK(max_error(from_floats(run.v), expected.v) < kOutLimit);
      CHECK(max_error(run.out.get(), expected.out) < kOutLimit + rounding_error(test.out_dtype));
      CHECK(max_error(run.dx.get(), expected.dx) < kGradLimit + rounding_error(test.x_dtype));
      CHECK(max_error(from_floats(run.dv), expected.dv) < kGradLimit);
      CHECK(max_error(from_floats(run.dweight), expected.dweight) < kGradLimit);
      CHECK(max_error(from_floats(run.dbias), expected.dbias) < kGradLimit);
    });
  }
}

TEST_CASE("add_norm gives the same bits however its rows are split", "[norm]") {
  for (const NormCase& test : norm_cases()) {
    const NormInputs in = make_norm_inputs(test);
    for_each_backend([&](const std::string& backend) {
      INFO(test.name << " on " << backend);
      NormRun whole(test, in);
      NormRun single_rows(test, in);
      whole.run(kAllRows);
      single_rows.run(1);
      CHECK(whole.out.words() == single_rows.out.words());
      CHECK(whole.dx.words() == single_rows.dx.words());
      CHECK(whole.dv == single_rows.dv);
      CHECK(whole.dweight == single_rows.dweight);
      CHECK(whole.dbias == single_rows.dbias);
    });
  }
}

TEST_CASE("add_norm's out does not depend on which other results are wanted", "[norm]") {
  for (const NormCase& test : norm_cases()) {
    const NormInputs in = make_norm_inputs(test);
    for_each_backend([&](const std::string& backend) {
      INFO(test.name << " on " << backend);
      NormRun with_v(test, in);
      NormRun in_place(test, in);
      NormRun without_v(test, in);
      with_v.run(kAllRows);
      in_place.forward.residual_out = in_place.residual.data();
      add_norm_forward(in_place.forward, {0, add_norm_num_rows(in_place.forward)});
      without_v.forward.residual_out = nullptr;
      add_norm_forward(without_v.forward, {0, add_norm_num_rows(without_v.forward)});
      CHECK(with_v.out.words() == without_v.out.words());
      CHECK(with_v.out.words() == in_place.out.words());
      CHECK(with_v.v == in_place.residual);
    });
  }
}

TEST_CASE("add_norm writes out again, bit for bit, from v alone", "[norm]") {
  for (const NormCase& test : norm_cases()) {
    const NormInputs in = make_norm_inputs(test);
    for_each_backend([&](const std::string& backend) {
      INFO(test.name << " on " << backend);
      NormRun first(test, in);
      NormRun again(test, in);
      first.run(kAllRows);
      again.forward = out_again(first, again.out);
      add_norm_forward(again.forward, {0, add_norm_num_rows(again.forward)});
      CHECK(first.out.words() == again.out.words());
    });
  }
}

TEST_CASE("add_norm's backward writes only what is wanted", "[norm]") {
  const NormCase test{"partial", kLayer, 20, 37, true, true};
  const NormInputs in = make_norm_inputs(test);
  for_each_backend([&](const std::string& backend) {
    INFO(backend);
    NormRun full(test, in);
    NormRun partial(test, in);
    full.run(kAllRows);
    partial.backward.dx = nullptr;
    partial.backward.dbias = nullptr;
    partial.run(kAllRows);
    CHECK(full.dv == partial.dv);
    CHECK(full.dweight == partial.dweight);
    CHECK(std::isnan(partial.dbias[0]));
  });
}

TEST_CASE("a dropped sample passes its residual on untouched and gets no gradient", "[norm]") {
  const NormCase test{
      "dropped", kRms, 4, 37, true, false, DType::kFloat32, DType::kFloat32, 2, 0.7};
  const NormInputs in = make_norm_inputs(test);  // the second sample, rows 2 and 3, is dropped
  for_each_backend([&](const std::string& backend) {
    INFO(backend);
    NormRun run(test, in);
    run.run(kAllRows);
    const Values dx = run.dx.get();
    for (int64_t i = 2 * test.dim; i < test.size(); ++i) {
      CHECK(run.v[i] == run.residual[i]);
      CHECK(dx[i] == 0.0);
    }
  });
}

TEST_CASE("add_norm refuses impossible parameters", "[norm]") {
  const NormCase test{"refused", kRms, 4, 4};
  const NormInputs in = make_norm_inputs(test);
  NormRun run(test, in);
  CHECK_THROWS_AS(add_norm_forward(run.forward, {0, 2}), std::invalid_argument);
  run.forward.keep = 0.0F;
  CHECK_THROWS_AS(add_norm_forward(run.forward, {0, 1}), std::invalid_argument);
  run.backward.workspace = nullptr;
  CHECK_THROWS_AS(add_norm_backward(run.backward, {0, 1}), std::invalid_argument);
}

}  // namespace
}  // namespace vim::tests
