// Names of image operations and interpolations, as reference data spell them.
#pragma once

#include <map>
#include <string>

#include "src/data/data_options.h"
#include "src/data/image/image_op.h"

namespace vim::test {

/// "autocontrast", "translate_x_rel", ... by the kind of operation.
const std::map<std::string, data::OpKind>& op_names();

/// "nearest", "bilinear", "bicubic", "lanczos".
const std::map<std::string, data::Interpolation>& interpolation_names();

}  // namespace vim::test
