#include "src/train/metrics.h"

#include <ATen/ATen.h>

#include <cmath>

#include "tests/support/catch.h"

namespace vim::train {

TEST_CASE("top-k counts images whose label is among the k highest logits") {
  const at::Tensor logits =
      at::tensor({0.1, 0.9, 0.5, 0.7, 0.3, 0.2, 0.9, 0.1, 0.0}, at::kFloat).view({3, 3});
  const at::Tensor labels = at::tensor({1, 2, 2}, at::kLong);
  CHECK(count_top_k(logits, labels, 1) == 1);
  CHECK(count_top_k(logits, labels, 2) == 1);
  CHECK(count_top_k(logits, labels, 3) == 3);
  CHECK(count_top_k(logits, labels, 5) == 3);
}

TEST_CASE("ties go to the lower class number and NaN is wrong") {
  const at::Tensor ties = at::ones({2, 4});
  CHECK(count_top_k(ties, at::tensor({0, 1}, at::kLong), 1) == 1);
  CHECK(count_top_k(ties, at::tensor({0, 1}, at::kLong), 2) == 2);
  const at::Tensor bad = at::full({2, 4}, NAN);
  CHECK(count_top_k(bad, at::tensor({0, 1}, at::kLong), 4) == 0);
}

TEST_CASE("a running mean weighs its values, and is no number without any") {
  RunningMean mean;
  CHECK(std::isnan(mean.mean()));
  mean.add(1.0, 3.0);
  mean.add(5.0);
  CHECK(mean.mean() == 2.0);
}

}  // namespace vim::train
