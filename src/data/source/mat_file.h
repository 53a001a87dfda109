// Just enough of MATLAB's MAT-file level 5 to read a table of records (MathWorks, "MAT-File
// Format"): struct arrays whose wanted fields are numbers and texts.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>

namespace vim::data {

/// Two fields of each record of a struct array.
struct MatFields {
  std::string_view array;
  std::string_view number;  // a field that holds one number, zero or positive
  std::string_view text;    // a field that holds one line of text
};

/// By its number, the text of each record. `where` stands in errors. Throws vim::Error if the bytes
/// are no MAT file of level 5, hold no such array, or are damaged. What is compressed may have at
/// most 64 MiB unpacked.
std::map<int64_t, std::string> read_mat_table(
    std::span<const uint8_t> bytes, const MatFields& fields, const std::string& where);

}  // namespace vim::data
