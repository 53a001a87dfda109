#include "src/models/layer_outputs.h"

#include <algorithm>

namespace vim::models {

bool LayerOutputs::wants(int64_t entry) const {
  return wanted.empty() || std::find(wanted.begin(), wanted.end(), entry) != wanted.end();
}

void LayerOutputs::add(const at::Tensor& block_hidden, const at::Tensor& block_residual) {
  const bool is_wanted = wants(static_cast<int64_t>(hidden.size()));
  hidden.push_back(is_wanted ? block_hidden : at::Tensor());
  residual.push_back(is_wanted ? block_residual : at::Tensor());
}

}  // namespace vim::models
