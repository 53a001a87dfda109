// The image batch's CUDA entry against the CPU entry, bit for bit, on the GPU (VIM_TEST_CUDA) or
// emulated.
#include <stdexcept>

#include "tests/emulation/emulation.h"
#include "tests/kernels/image_problem.h"
#include "tests/support/catch.h"
#include "tests/support/kernel_device.h"

namespace vim::tests {
namespace {

using kernels::DType;

// shift: bytes by which images start off the grid of vector accesses.
std::vector<uint32_t> device_words(
    const KernelDevice& device, const ImageCase& test, size_t shift) {
  DeviceArena arena(device);
  const std::vector<uint8_t> images = make_images(test);
  std::vector<uint8_t> shifted(shift, 0);
  shifted.insert(shifted.end(), images.begin(), images.end());
  kernels::ImageBatchParams params = make_image_params(test, images);
  TokenArray out(flat(image_output_size(params)), test.dtype);
  params.images = arena.upload(shifted) + shift;
  params.mix = arena.upload(test.mix);
  params.boxes = arena.upload(test.boxes);
  params.out = arena.upload(out.mutable_view().data, out.words().size() * sizeof(uint32_t));
  device.entries.image_batch(params, nullptr);
  arena.download_all();
  return out.words();
}

std::vector<uint32_t> cpu_words(const ImageCase& test) {
  const std::vector<uint8_t> images = make_images(test);
  kernels::ImageBatchParams params = make_image_params(test, images);
  TokenArray out(flat(image_output_size(params)), test.dtype);
  params.out = out.mutable_view().data;
  kernels::image_batch(params, {0, kImageBatch});
  return out.words();
}

void check_against_cpu(const KernelDevice& device) {
  for (const ImageCase& test : image_cases()) {
    INFO(device.name << ": " << test.name);
    const std::vector<uint32_t> expected = cpu_words(test);
    CHECK(device_words(device, test, 0) == expected);
    CHECK(device_words(device, test, 3) == expected);
  }
}

// More groups than one block takes at a time, and more blocks than one for each sample.
void check_large_images(const KernelDevice& device) {
  const std::vector<ImageCase> cases = {
      {"large", 150, 160, 3, mixup(0.3F), DType::kBFloat16},
      {"large_odd", 71, 73, 3, cutmix(10, 60, 20, 70)},
      {"large_patches", 64, 64, 3, cutmix(10, 60, 20, 50), DType::kBFloat16, 16, 8},
      {"large_erased", 96, 160, 3, mixup(0.3F), DType::kBFloat16, 0, 0, scattered_boxes(96, 160)},
      {"large_colours",
       71,
       73,
       3,
       cutmix(10, 60, 20, 70),
       DType::kFloat32,
       0,
       0,
       scattered_boxes(71, 73),
       kernels::EraseFill::kColour}};
  for (const ImageCase& test : cases) {
    INFO(device.name << ": " << test.name);
    CHECK(device_words(device, test, 0) == cpu_words(test));
  }
}

#ifdef VIM_TEST_CUDA
TEST_CASE("image_batch on the GPU has the bits of the CPU", "[image_batch][gpu]") {
  if (const KernelDevice* device = cuda_device()) {
    check_against_cpu(*device);
    check_large_images(*device);
  }
}
#else
TEST_CASE(
    "emulated image_batch has the bits of the CPU in every order", "[image_batch][emulated]") {
  for (const uint64_t seed : {1, 2, 3}) {
    emulation::set_seed(seed);
    check_against_cpu(emulated_device());
  }
  check_large_images(emulated_device());
}

TEST_CASE("image_batch refuses impossible sizes before any launch", "[image_batch][emulated]") {
  const KernelDevice& device = emulated_device();
  CHECK_THROWS_AS(device.entries.image_batch({}, nullptr), std::invalid_argument);
}
#endif

}  // namespace
}  // namespace vim::tests
