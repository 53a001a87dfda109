// Parts of JPEG files through libjpeg-turbo; of use inside this folder only.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "src/data/image/decode.h"

namespace vim::data {

/// Who turns bits into coefficients: HuffmanScan where it knows the kind of file, or always
/// libjpeg. Pixels are the same.
enum class EntropyDecoder { kOwn, kLibrary };

/// One libjpeg decompressor, used again for each file.
class JpegDecoder {
 public:
  explicit JpegDecoder(EntropyDecoder entropy = EntropyDecoder::kOwn);
  ~JpegDecoder();
  JpegDecoder(const JpegDecoder&) = delete;
  JpegDecoder& operator=(const JpegDecoder&) = delete;

  /// Reads the header and returns the size as stored. The bytes must stay until decode() is over.
  /// Throws BadImage.
  Size open(std::span<const uint8_t> bytes);

  /// The EXIF orientation, 1 to 8, of the open file; 1 where there is none.
  int orientation() const;

  /// As ImageDecoder::decode, in stored coordinates. The pixels lie in `pixels`.
  ImagePart decode(const DecodeRequest& request, DecodeMode mode, std::vector<uint8_t>& pixels);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

/// Whether the bytes begin as a JPEG file does.
bool is_jpeg(std::span<const uint8_t> bytes);

}  // namespace vim::data
