// The form of torch.save before PyTorch 1.6: pickles one after the other, then the storages.
// Internal to this folder.
#pragma once

#include <cstddef>
#include <map>
#include <span>
#include <string>

#include "src/weights/pickle_value.h"

namespace vim::weights {

struct TorchLegacy {
  Pickle pickle;
  std::map<std::string, std::span<const std::byte>> storages;  // by key
};

/// Reads the object and finds the storages it names, whose contents are not looked at: each must be
/// there in its full size. Throws vim::Error, also for files of big-endian machines.
TorchLegacy read_torch_legacy(std::span<const std::byte> bytes, const std::string& file_name);

}  // namespace vim::weights
