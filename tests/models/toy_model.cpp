#include "tests/models/toy_model.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include "src/models/official_options.h"

namespace vim::models {

VisionMambaOptions toy_options(const std::string& changes) {
  const std::string base = R"("img_size": 64, "depth": 4, "embed_dim": 32, "num_classes": 5)";
  return options_from_official("{" + base + (changes.empty() ? "" : ", " + changes) + "}");
}

VisionMamba make_model(const VisionMambaOptions& options) {
  VisionMamba model(options);
  auto generator = at::detail::createCPUGenerator(0);
  model->reset_parameters(generator);
  model->eval();
  return model;
}

VisionMamba make_toy(const VisionMambaOptions& options) {
  VisionMamba model = make_model(options);
  const at::NoGradGuard no_grad;
  double index = 0.0;
  for (at::Tensor& parameter : model->parameters()) {
    const at::Tensor elements = at::arange(parameter.numel(), at::kDouble);
    const at::Tensor wave = at::cos(0.7 * elements + index).to(at::kFloat);
    parameter.add_(wave.view(parameter.sizes()), 0.05);
    index += 1.0;
  }
  return model;
}

at::Tensor sine_images(at::IntArrayRef shape, double factor) {
  const int64_t size = c10::multiply_integers(shape);
  return at::sin(factor * at::arange(size, at::kDouble)).to(at::kFloat).view(shape);
}

at::Tensor toy_images() { return sine_images({2, 3, 64, 64}, 0.003); }

}  // namespace vim::models
