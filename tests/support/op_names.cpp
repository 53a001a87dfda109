// The tables of names.
#include "tests/support/op_names.h"

namespace vim::test {

const std::map<std::string, data::OpKind>& op_names() {
  using data::OpKind;
  static const std::map<std::string, OpKind> names = {
      {"autocontrast", OpKind::kAutocontrast},
      {"equalize", OpKind::kEqualize},
      {"invert", OpKind::kInvert},
      {"rotate", OpKind::kRotate},
      {"posterize", OpKind::kPosterize},
      {"solarize", OpKind::kSolarize},
      {"solarize_add", OpKind::kSolarizeAdd},
      {"color", OpKind::kColor},
      {"contrast", OpKind::kContrast},
      {"brightness", OpKind::kBrightness},
      {"sharpness", OpKind::kSharpness},
      {"shear_x", OpKind::kShearX},
      {"shear_y", OpKind::kShearY},
      {"translate_x_rel", OpKind::kTranslateX},
      {"translate_y_rel", OpKind::kTranslateY},
      {"greyscale", OpKind::kGreyscale},
      {"gaussian_blur", OpKind::kGaussianBlur},
  };
  return names;
}

const std::map<std::string, data::Interpolation>& interpolation_names() {
  using data::Interpolation;
  static const std::map<std::string, Interpolation> names = {
      {"nearest", Interpolation::kNearest},
      {"bilinear", Interpolation::kBilinear},
      {"bicubic", Interpolation::kBicubic},
      {"lanczos", Interpolation::kLanczos}};
  return names;
}

}  // namespace vim::test
