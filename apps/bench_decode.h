// The limit of the loader: the same files decoded by libjpeg-turbo and nothing else.
#pragma once

#include <cstdint>

#include "src/data/source/dataset.h"

namespace vim::apps {

/// Seconds that `num_threads` threads take to fetch and decode every image once: accurate integer
/// DCT, smooth chroma up-sampling, the whole image, into memory that is used again. What is no JPEG
/// goes through data::decode_image. Throws vim::Error naming a file that cannot be decoded, or an
/// image that is stored as pixels.
double seconds_to_decode(const data::Dataset& dataset, int64_t num_threads);

}  // namespace vim::apps
