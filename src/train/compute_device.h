// The device that a run computes on.
#pragma once

#include <c10/core/Device.h>

#include <string>

#include "src/train/train_options.h"

namespace vim::models {
class VisionMambaImpl;
}

namespace vim::train {

/// The device for a choice. Throws vim::Error, naming `key`, if the GPU is asked for and not there.
c10::Device compute_device(DeviceChoice choice, const std::string& key);

/// Puts a model on the device for passes without gradients, with low-precision copies of its
/// weights where the precision asks for them. Its weights must not change afterwards.
void place_for_inference(
    models::VisionMambaImpl& model, const c10::Device& device, Precision precision);

/// The choice of a word: auto, cpu or cuda. Throws vim::Error, naming `key`, for others.
DeviceChoice device_choice(const std::string& word, const std::string& key);

/// Memory, in bytes, that the device may still give.
int64_t available_device_bytes(const c10::Device& device);

}  // namespace vim::train
