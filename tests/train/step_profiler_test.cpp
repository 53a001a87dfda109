#include "src/train/step_profiler.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

#include "tests/support/catch.h"
#include "tests/support/temp_folder.h"
#include "tests/support/thrown_text.h"
#include "tests/train/toy_run.h"

namespace vim::train {
namespace {

struct Event {
  std::string name;
  double begin = 0.0;  // microseconds
  double end = 0.0;
};

// The user scopes of a trace in Chrome's format: complete events, phase X.
std::vector<Event> read_ranges(const std::filesystem::path& path) {
  std::ifstream stream(path);
  const auto trace = nlohmann::json::parse(stream);
  std::vector<Event> events;
  for (const auto& event : trace.at("traceEvents")) {
    if (event.at("ph") == "X" && event.value("cat", "") == "user_annotation") {
      const double begin = event.at("ts").get<double>();
      events.push_back({event.at("name"), begin, begin + event.at("dur").get<double>()});
    }
  }
  return events;
}

std::map<std::string, int> count_names(const std::vector<Event>& events) {
  std::map<std::string, int> counts;
  for (const Event& event : events) {
    ++counts[event.name];
  }
  return counts;
}

bool lies_in_one(const Event& inner, const std::string& outer, const std::vector<Event>& events) {
  return std::any_of(events.begin(), events.end(), [&](const Event& event) {
    return event.name == outer && event.begin <= inner.begin && inner.end <= event.end;
  });
}

}  // namespace

TEST_CASE("the trace holds the named ranges of the last steps, evaluation and checkpoints") {
  const test::TempFolder temp;
  const test::ToyImages images(44);
  const test::ToyImages val_images(10);
  TrainerOptions options = test::toy_trainer_options(temp / "plain");
  Trainer plain(test::make_toy_model(1), {&images, &val_images}, options);
  REQUIRE(plain.run() == RunOutcome::kFinished);

  options.output = temp / "profiled";
  options.profile = {temp / "trace.json", 5};
  Trainer trainer(test::make_toy_model(1), {&images, &val_images}, options);
  REQUIRE(trainer.run() == RunOutcome::kFinished);
  const auto value = optim::StoreBuffer::kValue;
  CHECK(at::equal(trainer.store().flat(value), plain.store().flat(value)));

  // Of 15 steps, five an epoch, the trace holds 11 to 15: the third epoch with what ends it.
  const std::vector<Event> events = read_ranges(temp / "trace.json");
  std::map<std::string, int> counts = count_names(events);
  const int micro_batches = 5 * 2;
  const int evaluations = 2 * 3;  // trained and averaged weights, ten images in batches of four
  CHECK(counts["loss"] == micro_batches);
  CHECK(counts["backward"] == micro_batches);
  CHECK(counts["forward"] == micro_batches + evaluations);
  CHECK(counts["wait for data"] == micro_batches + evaluations + 2);  // once more at each end
  CHECK(counts["clip"] == 5);
  CHECK(counts["optimizer"] == 5);
  CHECK(counts["ema"] == 5);
  CHECK(counts["evaluation"] == 1);
  CHECK(counts["checkpoint"] == 2);  // before and after the evaluation
  int inside = 0;
  for (const Event& event : events) {
    inside += event.name == "forward" && lies_in_one(event, "evaluation", events);
  }
  CHECK(inside == evaluations);
}

TEST_CASE("a run too short for the warm-up is traced from its first step") {
  const test::TempFolder temp;
  const test::ToyImages images(44);
  TrainerOptions options = test::toy_trainer_options(temp / "run");
  options.step.train.epochs = 1;
  options.profile = {temp / "trace.json", 50};
  Trainer trainer(test::make_toy_model(1), {&images, nullptr}, options);
  REQUIRE(trainer.run() == RunOutcome::kFinished);
  CHECK(count_names(read_ranges(temp / "trace.json"))["optimizer"] == 5);
}

TEST_CASE("a profile that cannot be written is refused before the first step") {
  const test::TempFolder temp;
  const test::ToyImages images(44);
  TrainerOptions options = test::toy_trainer_options(temp / "run");
  options.profile.path = temp.path();
  const std::string error = test::thrown_text([&] {
    Trainer(test::make_toy_model(1), {&images, nullptr}, options);
  });
  CHECK(test::contains(error, temp.path().string()));
  CHECK_FALSE(std::filesystem::exists(temp / "run"));
}

}  // namespace vim::train
