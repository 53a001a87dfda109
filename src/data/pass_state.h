// How far a pass over a data set has come, kept in a file so that a pass that was stopped goes on
// where it stopped.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "src/data/source/dataset.h"

namespace vim::data {

struct PassState {
  std::string purpose;   // what the pass is for, with its options: "stats 224"
  std::string data_set;  // fingerprint of the images' names and labels
  int64_t num_done = 0;  // images [0, num_done) are done
  std::string found;     // what they gave
};

/// A short text that differs between sets of other images, names, order or labels. The images'
/// contents play no part.
std::string fingerprint(const Dataset& dataset);

/// Writes it atomically. Throws vim::Error naming the path.
void save_pass_state(const std::filesystem::path& path, const PassState& state);

/// The state of that purpose and data set; nothing if there is no such file. Throws vim::Error
/// naming the path for a file that is damaged, or of another purpose or data set.
std::optional<PassState> load_pass_state(
    const std::filesystem::path& path, const std::string& purpose, const std::string& data_set);

}  // namespace vim::data
