// Labels of images that lie in one folder without class folders, as ImageNet's validation images
// do when downloaded.
#pragma once

#include <string>

#include "src/data/source/found_images.h"
#include "src/data/source/image_layout.h"

namespace vim::data {

struct LabelFiles {
  std::string labels;   // empty: none; folders tell the classes
  std::string synsets;  // which class each number is; empty: labels hold no numbers
};

/// Labels by image, classes numbered by their sorted names. `labels` is one of
///   lines `IMAGE CLASS` or `IMAGE,CLASS`, the image's name with or without its ending; Kaggle's
///   LOC_val_solution.csv is one;
///   a class a line, for the images in the order of their names;
///   the same with numbers instead of classes, as ILSVRC2012_validation_ground_truth.txt has them;
/// numbers count from 1 and become classes by `synsets`: lines `CLASS` (the first is 1) or
/// `NUMBER CLASS`; what follows on a line is passed over. ImageNet's development kit,
/// ILSVRC2012_devkit_t12.tar.gz, may stand for both files. Throws vim::Error with file and line.
ImageLabels read_image_labels(const LabelFiles& files, const FoundImages& found);

}  // namespace vim::data
