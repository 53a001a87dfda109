#include "src/train/evaluator.h"

#include <ATen/ATen.h>

#include <cmath>

#include "src/models/vision_mamba.h"
#include "src/train/class_report.h"
#include "tests/support/catch.h"
#include "tests/support/golden_file.h"
#include "tests/support/temp_folder.h"
#include "tests/train/toy_run.h"

namespace vim::train {

TEST_CASE("metrics are means over images and do not depend on the batch size") {
  models::VisionMamba model = test::make_toy_model(1);
  const test::ToyImages images(23);
  const auto small = evaluate(model, images, test::toy_evaluator_options(5), {});
  const auto large = evaluate(model, images, test::toy_evaluator_options(23), {});
  REQUIRE(small);
  REQUIRE(large);
  CHECK(small->num_images == 23);
  CHECK(small->logits.sizes() == at::IntArrayRef({23, test::kToyClasses}));
  CHECK(small->metrics.acc1 == large->metrics.acc1);
  CHECK(small->metrics.acc5 == 100.0);  // three classes
  CHECK(small->metrics.loss == Approx(large->metrics.loss).epsilon(1e-6));
}

TEST_CASE("counts are the same, to the last image, for any batch size") {
  models::VisionMamba model = test::make_toy_model(1);
  const test::ToyImages images(67);
  EvaluatorOptions options = test::toy_evaluator_options(64);
  options.keep_top = true;
  std::vector<std::vector<int64_t>> right;
  for (int64_t i = 0; i < images.size(); ++i) {
    right.push_back({images.label(i)});
  }
  const auto expected = evaluate(model, images, options, {});
  const ClassReport counts = count_classes(expected->top, right, test::kToyClasses);
  CHECK(expected->metrics.acc1 == Approx(100.0 * static_cast<double>(counts.all.top1) / 67));
  for (const int64_t batch : {1, 7}) {
    options.batch = batch;
    const auto result = evaluate(model, images, options, {});
    CHECK(result->num_images == 67);
    CHECK(result->metrics.acc1 == expected->metrics.acc1);
    CHECK(result->metrics.acc5 == expected->metrics.acc5);
    CHECK(at::equal(result->top, expected->top));
  }
}

TEST_CASE("on request the loss is a mean over batches, the last and smaller one alike") {
  models::VisionMamba model = test::make_toy_model(1);
  const test::ToyImages images(9);
  EvaluatorOptions options = test::toy_evaluator_options(8);
  options.unweighted_loss = true;
  const auto result = evaluate(model, images, options, {});
  const at::Tensor losses = -at::log_softmax(result->logits.to(at::kDouble), 1)
                                 .gather(1, at::tensor(result->labels).unsqueeze(1))
                                 .squeeze(1);
  const double first = losses.narrow(0, 0, 8).mean().item<double>();
  const double last = losses[8].item<double>();
  CHECK(result->metrics.loss == Approx((first + last) / 2).epsilon(1e-6));
  CHECK(std::abs(result->metrics.loss - losses.mean().item<double>()) > 1e-4);
}

TEST_CASE("loss and accuracy follow from the logits that are kept") {
  models::VisionMamba model = test::make_toy_model(1);
  const test::ToyImages images(20);
  const auto result = evaluate(model, images, test::toy_evaluator_options(8), {});
  REQUIRE(result);
  double loss = 0.0;
  int64_t hits = 0;
  for (int64_t i = 0; i < 20; ++i) {
    const at::Tensor row = result->logits[i].to(at::kDouble);
    loss += std::log(row.exp().sum().item<double>()) - row[images.label(i)].item<double>();
    hits += row.argmax().item<int64_t>() == images.label(i);
  }
  CHECK(result->metrics.loss == Approx(loss / 20).epsilon(1e-6));  // logits are float
  CHECK(result->metrics.acc1 == Approx(5.0 * static_cast<double>(hits)));
}

TEST_CASE("evaluation leaves the model in the mode it was in") {
  models::VisionMamba model = test::make_toy_model(1);
  model->train();
  evaluate(model, test::ToyImages(4), test::toy_evaluator_options(4), {});
  CHECK(model->is_training());
}

TEST_CASE("a stop request ends the evaluation without a result") {
  models::VisionMamba model = test::make_toy_model(1);
  int batches = 0;
  const auto stop_at_second = [&batches] { return ++batches == 2; };
  CHECK_FALSE(evaluate(model, test::ToyImages(12), test::toy_evaluator_options(4), stop_at_second));
  CHECK(batches == 2);
}

TEST_CASE("written logits, labels and names read back") {
  const test::TempFolder temp;
  models::VisionMamba model = test::make_toy_model(1);
  const test::ToyImages images(2);
  const auto result = evaluate(model, images, test::toy_evaluator_options(4), {});
  write_logits(temp / "logits.safetensors", *result, images);
  const test::GoldenFile file = test::load_golden(temp / "logits.safetensors");
  CHECK(at::equal(file.at("logits"), result->logits));
  CHECK(at::equal(file.at("labels"), at::tensor(result->labels)));
  CHECK(file.metadata.at("names") == R"(["toy image 0","toy image 1"])");
}

}  // namespace vim::train
