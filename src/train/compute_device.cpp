// The one place where the user's wish and the machine meet.
#include "src/train/compute_device.h"

#include <ATen/ATen.h>

#include "src/core/error.h"
#include "src/cuda/device.h"
#include "src/models/vision_mamba.h"
#include "src/train/batch_input.h"
#include "src/train/micro_batch.h"

namespace vim::train {

c10::Device compute_device(DeviceChoice choice, const std::string& key) {
  if (choice == DeviceChoice::kCuda && !cuda::is_built()) {
    throw Error(
        key + ": cuda, but this build is for the CPU; configure with -DVIM_CUDA=ON, or use cpu");
  }
  if (choice == DeviceChoice::kCuda && !cuda::is_available()) {
    throw Error(key + ": cuda, but no CUDA device can be used here; check nvidia-smi, or use cpu");
  }
  const bool uses_gpu = choice != DeviceChoice::kCpu && cuda::is_available();
  return uses_gpu ? c10::Device(c10::DeviceType::CUDA, 0) : c10::Device(c10::DeviceType::CPU);
}

void place_for_inference(
    models::VisionMambaImpl& model, const c10::Device& device, Precision precision) {
  model.to(device);
  const at::ScalarType dtype = compute_dtype(precision);
  model.set_compute_dtype(dtype);
  if (dtype != at::kFloat) {
    model.install_shadows(
        [dtype](const at::Tensor& parameter) { return parameter.detach().to(dtype); });
  }
  model.prepare_inference();
}

DeviceChoice device_choice(const std::string& word, const std::string& key) {
  if (word == "auto") {
    return DeviceChoice::kAuto;
  }
  if (word == "cpu") {
    return DeviceChoice::kCpu;
  }
  if (word == "cuda") {
    return DeviceChoice::kCuda;
  }
  throw Error(key + ": " + word + " is no device; use auto, cpu or cuda");
}

int64_t available_device_bytes(const c10::Device& device) {
  return device.is_cuda() ? cuda::memory().free : available_memory_bytes();
}

}  // namespace vim::train
