// A pass over all images of a data set with several threads, progress, and a state file from which
// a pass that was stopped goes on. verify and stats are such passes.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "apps/app_main.h"
#include "src/data/source/dataset.h"

namespace vim::apps {

/// What both commands take.
struct ImagePassOptions {
  std::string path;
  std::string format = "auto";
  std::string labels;    // as data.val_labels
  std::string synsets;   // as data.synsets
  bool is_test = false;  // the test part, where one path holds both
  int64_t threads = 0;   // 0: one for each core
  std::string state;     // file; empty: COMMAND.NAME.state in the current folder
  std::string json;      // file to write; empty: none
};

/// Adds them to a command.
void add_image_pass_options(CLI::App& command, ImagePassOptions& options);

/// Opens the images. Throws vim::Error as open_dataset does, and for an unknown format.
std::unique_ptr<data::Dataset> open_images(const ImagePassOptions& options);

/// What is done to the images, and what it has found so far.
class PassWork {
 public:
  virtual ~PassWork() = default;

  /// Looks at one image; called from several threads. `buffer` is free to use.
  virtual void visit(int64_t index, std::vector<uint8_t>& buffer) = 0;

  /// What images [0, num_done) gave as text, and back into a fresh object. No visit is under way.
  virtual std::string save(int64_t num_done) const = 0;
  virtual void restore(const std::string& found) = 0;
};

class ImagePass {
 public:
  /// `command`: its name. `purpose`: the same with every option that changes what is found.
  ImagePass(const ImagePassOptions& options, const std::string& command, std::string purpose);

  /// Visits every image that no earlier run has. False if it was asked to stop: then the state file
  /// says how far it came. Throws vim::Error for a state file that does not fit.
  bool run(const data::Dataset& dataset, PassWork& work);

  /// Ends with "N images in S s, R img/s" on standard output, and removes the state file.
  void finish();

 private:
  const ImagePassOptions& options_;
  std::string command_;
  std::string purpose_;
  std::filesystem::path state_;
  int64_t num_fresh_ = 0;  // images of this run
  double seconds_ = 0.0;
};

}  // namespace vim::apps
