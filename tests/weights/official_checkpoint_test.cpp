// Training state of the official program: whole state is in the golden files; here what is odd.
#include "src/weights/official_checkpoint.h"

#include <string>

#include "tests/support/catch.h"
#include "tests/support/thrown_text.h"
#include "tests/weights/safetensors_bytes.h"
#include "tests/weights/torch_bytes.h"

using namespace vim::weights;
using namespace vim::test;

namespace {

using Pairs = std::vector<std::pair<std::string, std::string>>;

// Eight bytes: as floats 1.0 and 2.0.
const std::string kData("\x00\x00\x80\x3F\x00\x00\x00\x40", 8);

std::string tensor(const std::vector<int64_t>& shape, int64_t offset = 0) {
  return pickle_tensor(
      pickle_storage("0", 2), offset, shape, std::vector<int64_t>(shape.size(), 1));
}

// A piece with some pairs replaced by others of the same key, or left out where empty.
std::string with(Pairs pairs, const Pairs& changes) {
  for (const auto& [key, value] : changes) {
    for (auto& pair : pairs) {
      pair.second = pair.first == key ? value : pair.second;
    }
  }
  std::erase_if(pairs, [](const auto& pair) { return pair.second.empty(); });
  return pickle_dict(pairs);
}

std::string group(const Pairs& changes = {}) {
  return with(
      {{"lr", "F0.5\n"},
       {"initial_lr", "K\x01"},
       {"weight_decay", "F0.1\n"},
       {"betas", "F0.9\nF0.99\n\x86"},
       {"eps", "F1e-8\n"},
       {"params", "(K\x01K\x02l"}},
      changes);
}

std::string moments(const Pairs& changes = {}) {
  return with({{"step", "K\x07"}, {"exp_avg", tensor({2})}, {"exp_avg_sq", tensor({2})}}, changes);
}

std::string optimizer(const std::string& one_group, const std::string& one_state) {
  return pickle_dict(
      {{"state", "}K\x03" + one_state + "s"}, {"param_groups", "]" + one_group + "a"}});
}

std::string file_bytes(const std::string& optimizer, const Pairs& more = {}) {
  Pairs pairs = {{"model", pickle_dict({{"w", tensor({2})}})}, {"optimizer", optimizer}};
  pairs.insert(pairs.end(), more.begin(), more.end());
  return torch_zip_bytes(pickle_dict(pairs), {{"0", kData}});
}

std::optional<OfficialTrainingState> read(const std::string& bytes) {
  return read_official_state(WeightFile::parse(as_bytes(bytes), "file"));
}

std::string error_of(const std::string& optimizer, const Pairs& more = {}) {
  const std::string bytes = file_bytes(optimizer, more);
  return thrown_text([&] { read(bytes); });
}

const Pairs kNone;

}  // namespace

TEST_CASE("groups, moments and numbers are read, steps as tensors too") {
  const std::string params =
      "](K\x03K\x05"
      "e";
  const auto state = read(file_bytes(
      optimizer(group({{"params", params}}), moments({{"step", tensor({}, 1)}})),
      {{"epoch", "K\x06"},
       {"lr_scheduler",
        pickle_dict(
            {{"base_values", "(F0.5\nF0.25\nl"},
             {"t_initial", "M\x2C\x01"},
             {"noise_type", pickle_text("normal")},
             {"metric", "N"}})}}));
  REQUIRE(state.has_value());
  CHECK(state->epoch == 6);
  REQUIRE(state->groups.size() == 1);
  CHECK(state->groups[0].lr == 0.5);
  CHECK(state->groups[0].initial_lr == 1.0);
  CHECK(state->groups[0].beta2 == 0.99);
  CHECK(state->groups[0].parameters == std::vector<int64_t>{3, 5});
  REQUIRE(state->moments.contains(3));
  CHECK(state->moments.at(3).step == 2.0);
  CHECK(state->schedule.at("base_values") == std::vector<double>{0.5, 0.25});
  CHECK(state->schedule.at("t_initial") == std::vector<double>{300});
  CHECK(state->schedule.size() == 2);
  CHECK_FALSE(state->scaler.has_value());
  CHECK(state->args.empty());
}

TEST_CASE("the group's own rate stands in for one that was never saved") {
  const auto state =
      read(file_bytes(optimizer(group({{"initial_lr", ""}, {"params", "]"}}), moments())));
  CHECK(state->groups[0].initial_lr == 0.5);
  CHECK(state->epoch == -1);
}

TEST_CASE("a scaler is read, and none where scaling was off") {
  const std::string whole = optimizer(group({{"params", "]"}}), moments());
  const std::string scaler = pickle_dict(
      {{"scale", "F1024.0\n"},
       {"growth_factor", "F2.0\n"},
       {"backoff_factor", "F0.5\n"},
       {"growth_interval", "K\x64"},
       {"_growth_tracker", "K\x02"}});
  CHECK(read(file_bytes(whole, {{"scaler", scaler}}))->scaler->growth_tracker == 2);
  CHECK_FALSE(read(file_bytes(whole, {{"scaler", "}"}}))->scaler.has_value());
  CHECK_FALSE(read(file_bytes(whole, {{"scaler", pickle_text("none")}}))->scaler.has_value());
}

TEST_CASE("files without an optimizer have no training state") {
  const std::string bytes = torch_zip_bytes(pickle_dict({{"w", tensor({2})}}), {{"0", kData}});
  CHECK_FALSE(read(bytes).has_value());
  const std::string plain = safetensors_bytes("{}", "");
  CHECK_FALSE(read(plain).has_value());
}

namespace {

const std::string kModel = pickle_dict({{"model", pickle_dict({{"w", tensor({2})}})}});

}  // namespace

TEST_CASE("args of any class are texts, and anything else is passed over") {
  const std::string attributes = pickle_dict({{"lr", "F0.001\n"}, {"name", pickle_text("x")}});
  const std::string space = pickle_global("argparse", "Namespace") + ")\x81" + attributes + "b";
  for (const std::string& args : {space, attributes}) {
    const std::string bytes =
        torch_zip_bytes(kModel + pickle_text("args") + args + "s", {{"0", kData}});
    const auto read_args = read_official_args(WeightFile::parse(as_bytes(bytes), "file"));
    REQUIRE(read_args.size() == 2);
    CHECK(read_args[0] == std::pair<std::string, std::string>("lr", "0.001"));
    CHECK(read_args[1].second == "x");
  }
  const std::string bytes =
      torch_zip_bytes(kModel + pickle_text("args") + "K\x01s", {{"0", kData}});
  CHECK(read_official_args(WeightFile::parse(as_bytes(bytes), "file")).empty());
}

TEST_CASE("state that is not as the official program writes it names file and key") {
  const std::string good = group({{"params", "]"}});
  const auto [bytes, more, reason] = GENERATE_COPY(table<std::string, Pairs, std::string>({
      {pickle_text("x"), kNone, "file: optimizer: the entry \"param_groups\" is missing"},
      {optimizer(group({{"lr", ""}}), moments()), kNone, "param_groups.0: the entry \"lr\""},
      {optimizer(group({{"lr", pickle_text("x")}}), moments()),
       kNone,
       "optimizer.param_groups.0.lr: expected a number, got a text"},
      {optimizer(group({{"lr", tensor({2})}}), moments()),
       kNone,
       "expected a number, got a tensor"},
      {optimizer(group({{"betas", "K\x01\x85"}}), moments()), kNone, "expected two numbers, got 1"},
      {optimizer(group({{"params", "K\x01"}}), moments()), kNone, "params: expected a list"},
      {optimizer(group({{"params", "K\x01N\x86"}}), moments()),
       kNone,
       "params.1: expected a whole"},
      {optimizer(good, moments({{"exp_avg", "N"}})),
       kNone,
       "optimizer.state.3.exp_avg: expected a tensor, got None"},
      {optimizer(good, moments({{"exp_avg", tensor({1})}})), kNone, "have different shapes"},
      {pickle_dict(
           {{"state", std::string("}").append(pickle_text("w") + moments() + "s")},
            {"param_groups", "]"}}),
       kNone,
       "optimizer.state: a key is a text"},
      {pickle_dict(
           {{"state", std::string("}K\x03").append(moments() + "sK\x03" + moments() + "s")},
            {"param_groups", "]"}}),
       kNone,
       "optimizer.state.3: the index appears twice"},
      {optimizer(good, moments()), {{"epoch", "N"}}, "epoch: expected a whole number, got None"},
      {optimizer(good, moments()),
       {{"scaler", pickle_dict({{"x", "N"}})}},
       "scaler: the entry \"scale\" is missing"},
  }));
  INFO(error_of(bytes, more));
  CHECK(contains(error_of(bytes, more), reason));
}
