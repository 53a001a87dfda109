// The training state in checkpoints of the official program (torch.save of model, optimizer,
// lr_scheduler, epoch, model_ema, scaler, args). Free of LibTorch.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "src/weights/torch_tensor.h"
#include "src/weights/weight_file.h"

namespace vim::weights {

/// One parameter group of AdamW.
struct OfficialGroup {
  double lr = 0.0;
  double initial_lr = 0.0;  // of the schedule; lr where the file has none
  double weight_decay = 0.0;
  double beta1 = 0.0;
  double beta2 = 0.0;
  double eps = 0.0;
  std::vector<int64_t> parameters;  // indices in the optimizer's order
};

/// AdamW's state of one parameter. The moments are read with TorchFile::read.
struct OfficialMoments {
  double step = 0.0;
  std::shared_ptr<const TorchTensor> exp_avg;
  std::shared_ptr<const TorchTensor> exp_avg_sq;
};

/// The gradient scaler of mixed precision.
struct OfficialScaler {
  double scale = 1.0;
  double growth_factor = 2.0;
  double backoff_factor = 0.5;
  int64_t growth_interval = 2000;
  int64_t growth_tracker = 0;
};

struct OfficialTrainingState {
  int64_t epoch = -1;  // index of the epoch just finished; -1: the file does not say
  std::vector<OfficialGroup> groups;
  std::map<int64_t, OfficialMoments> moments;  // by parameter index
  // The scheduler's numbers and lists of numbers ("base_values", "t_initial", "warmup_t",
  // "warmup_lr_init", "lr_min", ...), a number as a list of one.
  std::map<std::string, std::vector<double>> schedule;
  std::optional<OfficialScaler> scaler;
  std::vector<std::pair<std::string, std::string>> args;  // command line, in order
};

/// The state in a file of torch.save that holds an optimizer's; nothing for any other file. Throws
/// vim::Error naming the file and the key that is not as the official program writes it.
std::optional<OfficialTrainingState> read_official_state(const WeightFile& file);

/// The entry `args` of any file of torch.save as name and short text; empty if there is none.
std::vector<std::pair<std::string, std::string>> read_official_args(const WeightFile& file);

}  // namespace vim::weights
