#include "apps/weights_config.h"

#include "src/config/config.h"
#include "src/core/error.h"
#include "src/weights/safetensors.h"
#include "tests/support/catch.h"
#include "tests/support/temp_folder.h"
#include "tests/support/thrown_text.h"

namespace vim::apps {
namespace {

// A file with the tensors that tell a model of this size, and nothing of the rest.
weights::WeightFile write_file(
    const std::filesystem::path& path,
    const std::vector<int64_t>& pos_embed,
    int64_t depth,
    const std::map<std::string, std::string>& metadata = {}) {
  constexpr int64_t kClasses = 12;
  const auto rows = static_cast<size_t>(pos_embed[1] * pos_embed[2]);
  const std::vector<float> zeros(std::max<size_t>(rows, kClasses));
  const auto bytes = [&zeros](size_t count) {
    return std::as_bytes(std::span(zeros).first(count));
  };
  std::vector<weights::TensorToWrite> tensors = {
      {"pos_embed", weights::TensorType::kF32, pos_embed, bytes(rows)},
      {"head.bias", weights::TensorType::kF32, {kClasses}, bytes(kClasses)}};
  for (int64_t i = 0; i < depth; ++i) {
    const std::string name = "layers." + std::to_string(i) + ".mixer.A_b_log";
    tensors.push_back({name, weights::TensorType::kF32, {1}, bytes(1)});
  }
  weights::write_safetensors(path, tensors, metadata);
  return weights::WeightFile::open(path);
}

config::RunConfig config_of(const weights::WeightFile& file) {
  return config::parse_config(config_of_weights(file), file.name(), {});
}

}  // namespace

TEST_CASE("weights of a preset's shapes give its configuration with the head's classes") {
  const test::TempFolder temp;
  const auto tiny = config_of(write_file(temp / "tiny.safetensors", {1, 197, 192}, 24));
  CHECK(tiny.model.preset == "vim_tiny");
  CHECK(tiny.model.num_classes == 12);
  const auto small = config_of(write_file(temp / "small8.safetensors", {1, 730, 384}, 24));
  CHECK(small.model.preset == "vim_small_stride8");
}

TEST_CASE("weights of no preset ask for a configuration") {
  const test::TempFolder temp;
  for (const auto& file :
       {write_file(temp / "shallow.safetensors", {1, 197, 192}, 23),
        write_file(temp / "large.safetensors", {1, 198, 192}, 24)}) {
    CHECK(test::contains(
        test::thrown_text([&] { config_of_weights(file); }), "of no preset; pass --config"));
  }
}

TEST_CASE("official arguments that name a preset of another size are not believed") {
  // This checkpoint's arguments say Vim-tiny; its weights are a toy's.
  const auto file = weights::WeightFile::open("tests/golden/pth/checkpoint.pth");
  CHECK(test::contains(test::thrown_text([&] { config_of_weights(file); }), "of no preset"));
}

TEST_CASE("the configuration that a file carries comes first") {
  const test::TempFolder temp;
  const std::string yaml = "model:\n  depth: 3\n";
  const auto file = write_file(temp / "own.safetensors", {1, 197, 192}, 24, {{"config", yaml}});
  CHECK(config_of_weights(file) == yaml);
}

}  // namespace vim::apps
