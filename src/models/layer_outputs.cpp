#include "src/models/layer_outputs.h"

#include <algorithm>

namespace vim::models {

void LayerOutputs::add(const at::Tensor& block_hidden, const at::Tensor& block_residual) {
  const auto entry = static_cast<int64_t>(hidden.size());
  const bool is_wanted =
      wanted.empty() || std::find(wanted.begin(), wanted.end(), entry) != wanted.end();
  hidden.push_back(is_wanted ? block_hidden : at::Tensor());
  residual.push_back(is_wanted ? block_residual : at::Tensor());
}

}  // namespace vim::models
