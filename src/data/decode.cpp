// JPEG decoding through libjpeg-turbo's jpeglib.h, and the choice of decoder by magic bytes.
// libjpeg reports errors by a callback that must not return: it jumps back into the member function
// that called the library, which throws. Those functions hold no object with a destructor.
#include "src/data/decode.h"

#include <algorithm>
#include <csetjmp>
#include <cstddef>
#include <cstdio>
#include <vector>

#include <fmt/format.h>
#include <jerror.h>
#include <jpeglib.h>

#include "src/data/opencv_formats.h"

namespace vim::data {
namespace {

// A progressive file may hold any number of scans, each costing a pass over all coefficients.
constexpr int kMaxScans = 500;

struct JpegErrors {
  jpeg_error_mgr base;  // first: libjpeg hands back a pointer to it
  std::jmp_buf jump;
  char text[JMSG_LENGTH_MAX];
};

JpegErrors* errors_of(j_common_ptr info) { return reinterpret_cast<JpegErrors*>(info->err); }

[[noreturn]] void jump_back(j_common_ptr info) {
  info->err->format_message(info, errors_of(info)->text);
  std::longjmp(errors_of(info)->jump, 1);
}

// As PIL, only a file that ends early is refused: other warnings (a bad code, extra bytes before a
// marker) occur in published data sets and are decoded as far as possible.
void judge_warning(j_common_ptr info, int level) {
  if (level < 0 && info->err->msg_code == JWRN_JPEG_EOF) {
    jump_back(info);
  }
}

void limit_scans(j_common_ptr info) {
  if (reinterpret_cast<j_decompress_ptr>(info)->input_scan_number > kMaxScans) {
    std::snprintf(errors_of(info)->text, JMSG_LENGTH_MAX, "more than %d scans", kMaxScans);
    std::longjmp(errors_of(info)->jump, 1);
  }
}

// a * b / 255, rounded; exact for 8-bit factors.
uint32_t multiply_255(uint32_t a, uint32_t b) {
  const uint32_t product = a * b + 128;
  return ((product >> 8) + product) >> 8;
}

// Adobe stores inverted inks, i.e. the light that each leaves.
void convert_inverted_cmyk_row(const uint8_t* in, uint8_t* out, size_t width) {
  for (size_t x = 0; x < width; ++x, in += 4, out += 3) {
    const uint32_t light = in[3];
    for (size_t c = 0; c < 3; ++c) {
      out[c] = static_cast<uint8_t>(light - multiply_255(255U - in[c], light));
    }
  }
}

class JpegDecoder {
 public:
  explicit JpegDecoder(std::span<const uint8_t> bytes) : bytes_(bytes) {
    info_.err = jpeg_std_error(&errors_.base);
    errors_.base.error_exit = jump_back;
    errors_.base.emit_message = judge_warning;
    progress_.progress_monitor = limit_scans;
  }
  ~JpegDecoder() { jpeg_destroy_decompress(&info_); }
  JpegDecoder(const JpegDecoder&) = delete;
  JpegDecoder& operator=(const JpegDecoder&) = delete;

  Image decode() {
    read_header();
    check_header();
    start();
    Image image{info_.output_height, info_.output_width, {}};
    image.pixels.resize(static_cast<size_t>(image.height * image.width * 3));
    if (is_cmyk()) {
      cmyk_row_.resize(static_cast<size_t>(image.width) * 4);
    }
    read_rows(image.pixels.data());
    return image;
  }

 private:
  bool is_cmyk() const { return info_.num_components == 4; }

  void read_header() {
    if (setjmp(errors_.jump) != 0) {
      throw BadImage(errors_.text);
    }
    jpeg_create_decompress(&info_);
    info_.progress = &progress_;
    jpeg_mem_src(&info_, bytes_.data(), bytes_.size());
    jpeg_read_header(&info_, TRUE);
  }

  void check_header() const {
    const int64_t width = info_.image_width;
    const int64_t height = info_.image_height;
    if (width * height > kMaxImagePixels) {
      throw BadImage(fmt::format("{} x {} pixels are more than are accepted", width, height));
    }
    const int channels = info_.num_components;
    if (channels != 1 && channels != 3 && channels != 4) {
      throw BadImage(fmt::format("a JPEG of {} components is not supported", channels));
    }
  }

  void start() {
    if (setjmp(errors_.jump) != 0) {
      throw BadImage(errors_.text);
    }
    info_.out_color_space = is_cmyk() ? JCS_CMYK : JCS_RGB;
    info_.dct_method = JDCT_ISLOW;
    info_.do_fancy_upsampling = TRUE;
    jpeg_start_decompress(&info_);
  }

  void read_rows(uint8_t* out) {
    if (setjmp(errors_.jump) != 0) {
      throw BadImage(errors_.text);
    }
    const size_t row_bytes = size_t{info_.output_width} * 3;
    while (info_.output_scanline < info_.output_height) {
      uint8_t* const row = out + row_bytes * info_.output_scanline;
      uint8_t* target = is_cmyk() ? cmyk_row_.data() : row;
      jpeg_read_scanlines(&info_, &target, 1);
      if (is_cmyk()) {
        convert_inverted_cmyk_row(target, row, info_.output_width);
      }
    }
    jpeg_finish_decompress(&info_);
  }

  std::span<const uint8_t> bytes_;
  jpeg_decompress_struct info_{};
  JpegErrors errors_{};
  jpeg_progress_mgr progress_{};
  std::vector<uint8_t> cmyk_row_;
};

bool is_jpeg(std::span<const uint8_t> bytes) {
  return bytes.size() >= 3 && bytes[0] == 0xFF && bytes[1] == 0xD8 && bytes[2] == 0xFF;
}

}  // namespace

Image decode_image(std::span<const uint8_t> bytes) {
  if (bytes.empty()) {
    throw BadImage("the file is empty");
  }
  return is_jpeg(bytes) ? JpegDecoder(bytes).decode() : decode_other_format(bytes);
}

}  // namespace vim::data
