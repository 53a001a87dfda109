// Submodules are made as names ask for them.
#include "tests/optim/test_module.h"

#include <memory>

namespace vim::test {

NamedParameters::NamedParameters(
    const std::vector<std::pair<std::string, at::Tensor>>& parameters) {
  for (const auto& [name, value] : parameters) {
    add(name, value);
  }
}

void NamedParameters::add(const std::string& name, const at::Tensor& value) {
  const size_t dot = name.find('.');
  if (dot == std::string::npos) {
    register_parameter(name, value.clone());
    return;
  }
  const std::string child = name.substr(0, dot);
  if (!named_children().contains(child)) {
    register_module(
        child,
        std::make_shared<NamedParameters>(std::vector<std::pair<std::string, at::Tensor>>{}));
  }
  named_children()[child]->as<NamedParameters>()->add(name.substr(dot + 1), value);
}

}  // namespace vim::test
