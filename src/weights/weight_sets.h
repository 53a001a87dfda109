// Finding sets of weights in the files that hold them. Internal to this folder.
#pragma once

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "src/weights/safetensors.h"
#include "src/weights/torch_file.h"
#include "src/weights/weight_file.h"

namespace vim::weights {

/// One set: what it shows, and where each tensor comes from.
struct WeightSet {
  std::string name;  // "model" or "ema"
  std::string stripped_prefix;
  std::vector<WeightTensor> tensors;
  std::unordered_map<std::string, size_t> index;
  // One of these is as long as `tensors`, the other empty.
  std::vector<const TensorInfo*> stored;
  std::vector<std::shared_ptr<const TorchTensor>> torch;
};

/// The sets of a safetensors file; pointers go into it.
std::vector<WeightSet> find_sets(const SafetensorsFile& file, bool is_checkpoint);

/// The sets of a file of torch.save. Throws vim::Error naming file and key where a value of a set
/// is no tensor, or there is no set.
std::vector<WeightSet> find_sets(const TorchFile& file);

}  // namespace vim::weights
