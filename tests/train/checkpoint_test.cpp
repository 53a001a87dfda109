#include "src/train/checkpoint.h"

#include <ATen/ATen.h>

#include "src/core/error.h"
#include "src/train/train_step.h"
#include "src/weights/checkpoint_file.h"
#include "tests/support/catch.h"
#include "tests/support/temp_folder.h"
#include "tests/train/toy_run.h"

namespace vim::train {
namespace {

using optim::StoreBuffer;

// A run whose buffers all hold something of their own.
void scramble(optim::ParameterStore& store) {
  double value = 0.5;
  for (const optim::ParameterGroup& group : store.groups()) {
    for (const optim::StoredParameter& member : group.members) {
      for (const StoreBuffer buffer :
           {StoreBuffer::kValue, StoreBuffer::kEma, StoreBuffer::kExpAvg, StoreBuffer::kExpAvgSq}) {
        store.view(buffer, member).add_(value);
        value += 0.25;
      }
    }
  }
  store.step_count().fill_(17);
}

void save(TrainStep& step, const std::filesystem::path& path) {
  TrainState state;
  state.step = 42;
  write_snapshot(path, take_snapshot(*step.model(), step.store(), state, "model:\n  depth: 2\n"));
}

}  // namespace

TEST_CASE("a restored run has the saved one's bits in every buffer") {
  const test::TempFolder temp;
  TrainStep saved(test::make_toy_model(1), test::toy_step_options());
  scramble(saved.store());
  save(saved, temp / "a.safetensors");
  TrainStep restored(test::make_toy_model(2), test::toy_step_options());
  const auto file = weights::read_checkpoint(temp / "a.safetensors");
  const TrainState state = restore_checkpoint(file, *restored.model(), restored.store());
  CHECK(state.step == 42);
  CHECK(file.metadata().at("config") == "model:\n  depth: 2\n");
  for (const StoreBuffer buffer :
       {StoreBuffer::kValue, StoreBuffer::kEma, StoreBuffer::kExpAvg, StoreBuffer::kExpAvgSq}) {
    CHECK(at::equal(saved.store().flat(buffer), restored.store().flat(buffer)));
  }
  CHECK(restored.store().step_count().item<double>() == 17.0);
}

TEST_CASE("tensors carry the names other programs look for") {
  const test::TempFolder temp;
  TrainStep step(test::make_toy_model(1), test::toy_step_options());
  save(step, temp / "a.safetensors");
  const auto file = weights::read_checkpoint(temp / "a.safetensors");
  for (const char* name :
       {"model.head.weight",
        "ema.layers.1.mixer.A_log",
        "optim.exp_avg.pos_embed",
        "optim.exp_avg_sq.norm_f.weight",
        "optim.step"}) {
    INFO(name);
    CHECK(file.find(name) != nullptr);
  }
}

TEST_CASE("a checkpoint of another model is refused with every key named, and nothing changes") {
  const test::TempFolder temp;
  TrainStep step(test::make_toy_model(1), test::toy_step_options());
  save(step, temp / "a.safetensors");
  models::VisionMambaOptions options = test::toy_model_options();
  options.num_classes = 4;
  options.depth = 3;
  TrainStepOptions without_ema = test::toy_step_options();
  without_ema.ema.enabled = false;
  TrainStep other(models::VisionMamba(options), without_ema);
  other.store().flat(StoreBuffer::kValue).fill_(0.5);
  std::string message;
  try {
    restore_checkpoint(
        weights::read_checkpoint(temp / "a.safetensors"), *other.model(), other.store());
  } catch (const Error& error) {
    message = error.what();
  }
  for (const char* part :
       {"missing: model.layers.2.mixer.D",
        "unexpected: ema.cls_token",
        "misshapen: model.head.weight is F32 [3, 8] in the file, F32 [4, 8] in the model"}) {
    INFO(message);
    CHECK(message.find(part) != std::string::npos);
  }
  CHECK(other.store().flat(StoreBuffer::kValue).eq(0.5).all().item<bool>());
}

TEST_CASE("a snapshot is not touched by what the run does afterwards") {
  TrainStep step(test::make_toy_model(1), test::toy_step_options());
  const CheckpointSnapshot snapshot = take_snapshot(*step.model(), step.store(), {}, "");
  const at::Tensor before = snapshot.tensors.front().second.clone();
  step.store().flat(StoreBuffer::kValue).add_(1.0);
  CHECK(at::equal(snapshot.tensors.front().second, before));
}

}  // namespace vim::train
