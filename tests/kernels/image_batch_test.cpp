// The image batch on every backend against the formulas of its header.
#include "kernels/image_batch.h"

#include <algorithm>
#include <stdexcept>

#include "tests/kernels/image_problem.h"
#include "tests/support/catch.h"

namespace vim::tests {
namespace {

using kernels::ImageBatchParams;

// A run of one case on the selected backend.
struct ImageRun {
  std::vector<uint8_t> images;
  ImageBatchParams params;
  TokenArray out;

  explicit ImageRun(const ImageCase& test)
      : images(make_images(test)),
        params(make_image_params(test, images)),
        out(flat(image_output_size(params)), test.dtype) {
    params.out = out.mutable_view().data;
  }

  void run(int64_t piece) {
    run_in_pieces(
        image_batch_num_rows(params), piece, [&](auto rows) { image_batch(params, rows); });
  }
};

TEST_CASE("image_batch normalises, mixes, pastes and cuts as defined", "[image_batch]") {
  for (const ImageCase& test : image_cases()) {
    for_each_backend([&](const std::string& backend) {
      INFO(test.name << " on " << backend);
      ImageRun run(test);
      run.run(3);
      // A handful of float roundings of values up to 3, then one to the storage type.
      CHECK(max_error(run.out.get(), image_oracle(run.params)) < 5e-7 + rounding_error(test.dtype));
    });
  }
}

TEST_CASE("image_batch without mixing has the very bits of float arithmetic", "[image_batch]") {
  ImageRun run({"levels", 16, 16, 3, {}});
  for (size_t i = 0; i < run.images.size(); ++i) run.images[i] = static_cast<uint8_t>(i / 3);
  run.run(kAllRows);
  const Values values = run.out.get();
  for (int64_t level = 0; level < 256; ++level) {
    const float expected = (static_cast<float>(level) / 255.0F - 0.456F) / 0.224F;
    CHECK(static_cast<float>(values[256 + level]) == expected);
  }
}

TEST_CASE("image_batch's windows are the patch embedding's grid", "[image_batch]") {
  ImageBatchParams params;
  params.height = 224;
  params.width = 240;
  CHECK(image_windows(params).count == 1);
  params.patch_size = 16;
  params.stride = 8;
  CHECK(image_windows(params).columns == 29);
  CHECK(image_windows(params).count == 27 * 29);
}

TEST_CASE("a sample is erased alike alone, in a batch, and in patches", "[image_batch][erase]") {
  ImageCase test{"alike", 24, 16, 3, {}};
  test.boxes = scattered_boxes(24, 16);
  ImageRun whole(test);
  whole.run(kAllRows);
  const Values batch = whole.out.get();
  for (int64_t b = 0; b < kImageBatch; ++b) {
    ImageRun alone(test);
    alone.params.batch = 1;
    alone.params.images += b * 24 * 16 * 3;
    alone.params.boxes += b * alone.params.num_boxes;
    alone.run(kAllRows);
    const Values values = alone.out.get();
    CHECK(
        std::equal(values.begin(), values.begin() + 24 * 16 * 3, batch.begin() + b * 24 * 16 * 3));
  }
  test.patch_size = test.stride = 8;
  ImageRun cut(test);
  cut.run(kAllRows);
  const Values patches = cut.out.get();
  const auto pixel = [](int64_t patch, int64_t y, int64_t x) {
    return (patch / 2 * 8 + y) * 16 + patch % 2 * 8 + x;
  };
  for (int64_t i = 0; i < 6 * 3 * 64; ++i) {  // of sample 0: patch, channel, line, column
    const int64_t from = pixel(i / 192, i % 64 / 8, i % 8);
    CHECK(patches[i] == batch[i % 192 / 64 * 24 * 16 + from]);
  }
}

TEST_CASE("boxes outside the image, or announced but absent, are refused", "[image_batch][erase]") {
  ImageCase test{"refused", 4, 4, 3, {}};
  test.boxes = scattered_boxes(4, 4);
  test.boxes[1].y1 = 5;
  CHECK_THROWS_AS(ImageRun(test).run(kAllRows), std::invalid_argument);
  test.boxes[1].y1 = 4;
  test.boxes[1].x0 = -1;
  CHECK_THROWS_AS(ImageRun(test).run(kAllRows), std::invalid_argument);
  ImageRun run({"absent", 4, 4, 3, {}});
  run.params.num_boxes = 1;
  CHECK_THROWS_AS(run.run(kAllRows), std::invalid_argument);
  run.params.num_boxes = -1;
  CHECK_THROWS_AS(run.run(kAllRows), std::invalid_argument);
}

TEST_CASE("image_batch refuses a box or partner outside the batch", "[image_batch]") {
  ImageCase test{"refused", 4, 4, 3, cutmix(0, 5, 0, 4)};
  CHECK_THROWS_AS(ImageRun(test).run(kAllRows), std::invalid_argument);
  test.mix = mixup(0.5F);
  test.mix[0].partner = kImageBatch;
  CHECK_THROWS_AS(ImageRun(test).run(kAllRows), std::invalid_argument);
}

TEST_CASE("image_batch refuses patches that the image cannot hold", "[image_batch]") {
  const ImageCase test{"refused", 4, 6, 3, {}};
  ImageRun run(test);
  run.params.patch_size = 5;
  run.params.stride = 1;
  CHECK_THROWS_AS(run.run(kAllRows), std::invalid_argument);
  run.params.patch_size = 2;
  run.params.stride = 0;
  CHECK_THROWS_AS(run.run(kAllRows), std::invalid_argument);
}

}  // namespace
}  // namespace vim::tests
