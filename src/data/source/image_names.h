// Which files count as images, by their names alone.
#pragma once

#include <string>
#include <string_view>

namespace vim::data {

/// Whether the last part of the path has an image's ending, in upper or lower case. The "._" files
/// that macOS puts beside others are none.
bool is_image_name(std::string_view path);

/// The known endings, for messages.
std::string image_endings();

}  // namespace vim::data
