// Entropy decoding must walk a JPEG from its start, but all that comes after it (inverse DCT,
// chroma up-sampling, colours) is done for the blocks around the wanted box alone, and nothing
// below it. libjpeg reports errors by a callback that must not return: it jumps back into the
// member function that called the library, which throws. Those functions hold no object with a
// destructor.
#include "src/data/image/jpeg_decoder.h"

#include <algorithm>
#include <array>
#include <csetjmp>
#include <cstddef>
#include <cstdio>
#include <stdexcept>

#include <fmt/format.h>
#include <jerror.h>
#include <jpeglib.h>

#include "src/data/image/exif.h"
#include "src/data/image/jpeg_huffman.h"

namespace vim::data {
namespace {

// A progressive file may hold any number of scans, each costing a pass over all coefficients.
constexpr int kMaxScans = 500;
// Smooth up-sampling takes a neighbour's chroma, which is missing beside the decoded columns: so
// many more pixels are decoded on either side. Two are one chroma column of the coarsest kind.
constexpr int64_t kChromaMargin = 2;
constexpr int64_t kRoundingMargin = 2;
constexpr int kExifMarker = JPEG_APP0 + 1;
constexpr unsigned kMaxSegment = 0xFFFF;

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

// The smallest of 1/8, 1/4, 1/2 and 1 at which the box is no smaller than its target: those that
// libjpeg-turbo has vector code for.
unsigned choose_eighths(const DecodeRequest& request) {
  unsigned eighths = 8;
  const auto covers = [&](unsigned candidate) {
    return request.box.height * candidate >= request.target.height * 8 &&
           request.box.width * candidate >= request.target.width * 8;
  };
  while (eighths > 1 && request.target != Size{} && covers(eighths / 2)) {
    eighths /= 2;
  }
  return eighths;
}

bool has_end_marker(const uint8_t* begin, const uint8_t* end) {
  for (const uint8_t* at = end - 1; at > begin; --at) {
    if (at[-1] == 0xFF && at[0] == JPEG_EOI) {
      return true;
    }
  }
  return false;
}

}  // namespace

class JpegDecoder::Impl {
 public:
  explicit Impl(EntropyDecoder entropy) : entropy_(entropy) {
    info_.err = jpeg_std_error(&errors_.base);
    errors_.base.error_exit = jump_back;
    errors_.base.emit_message = judge_warning;
    progress_.progress_monitor = limit_scans;
    create();
  }
  ~Impl() { jpeg_destroy_decompress(&info_); }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  Size open(std::span<const uint8_t> bytes) {
    bytes_ = bytes;
    is_by_library_ = entropy_ == EntropyDecoder::kLibrary;
    begin();
    return {info_.image_height, info_.image_width};
  }

  int orientation() const {
    for (auto marker = info_.marker_list; marker != nullptr; marker = marker->next) {
      const int found = exif_orientation({marker->data, marker->data_length});
      if (found != 0) {
        return found;
      }
    }
    return 1;
  }

  ImagePart decode(const DecodeRequest& request, DecodeMode mode, std::vector<uint8_t>& pixels) {
    try {
      return decode_once(request, mode, pixels);
    } catch (const OddData&) {
      is_by_library_ = true;
      begin();
      return decode_once(request, mode, pixels);
    }
  }

 private:
  // Thrown where data are not as HuffmanScan knows them.
  struct OddData {};

  bool is_cmyk() const { return info_.num_components == 4; }

  ImagePart decode_once(
      const DecodeRequest& request, DecodeMode mode, std::vector<uint8_t>& pixels) {
    const Size original{info_.image_height, info_.image_width};
    ImagePart part{{}, request.box, original, original};
    is_fast_ = mode == DecodeMode::kFast;
    start(is_fast_ ? choose_eighths(request) : 8);
    check_end();
    part.stored = {info_.output_height, info_.output_width};
    part.box = decodable_box(to_stored(part, request.box));
    crop_columns(part.box);
    replace_huffman(part.box);
    const int64_t row_bytes = part.box.width * 3;
    pixels.resize(static_cast<size_t>(part.box.height * row_bytes));
    if (is_cmyk()) {
      cmyk_row_.resize(static_cast<size_t>(part.box.width) * 4);
    }
    read_rows(part.box, pixels.data());
    part.pixels = {pixels.data(), part.box.height, part.box.width, row_bytes};
    return part;
  }

  void begin() {
    jpeg_abort_decompress(&info_);
    read_header();
    check_header();
  }

  void create() {
    if (setjmp(errors_.jump) != 0) {
      throw BadImage(errors_.text);
    }
    jpeg_create_decompress(&info_);
    info_.progress = &progress_;
    jpeg_save_markers(&info_, kExifMarker, kMaxSegment);
  }

  void read_header() {
    if (setjmp(errors_.jump) != 0) {
      throw BadImage(errors_.text);
    }
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

  void start(unsigned eighths) {
    if (setjmp(errors_.jump) != 0) {
      throw BadImage(errors_.text);
    }
    info_.out_color_space = is_cmyk() ? JCS_CMYK : JCS_RGB;
    info_.dct_method = JDCT_ISLOW;
    info_.do_fancy_upsampling = is_fast_ ? FALSE : TRUE;
    info_.scale_num = eighths;
    info_.scale_denom = 8;
    jpeg_start_decompress(&info_);
  }

  // A file that was cut off must not pass because the box ends above the cut. Coefficients hold no
  // end marker, and the reader stops at the first one, so where one follows nothing is missing.
  // Where all scans were read to begin with, the reader must have met its end inside the file:
  // libjpeg makes one up where there is none.
  void check_end() {
    const uint8_t* const file_end = bytes_.data() + bytes_.size();
    const uint8_t* const begin = info_.src->next_input_byte;
    const bool is_in_file = begin >= bytes_.data() && begin <= file_end;
    if (!is_in_file || (jpeg_input_complete(&info_) == FALSE && !has_end_marker(begin, file_end))) {
      throw BadImage("it is cut off: no end marker behind its data");
    }
  }

  // The box, what smooth up-sampling needs beside it, and what a filter may need around it where
  // its reach is rounded to scaled pixels.
  Box decodable_box(const Box& wanted) const {
    const int64_t rows = info_.scale_num == info_.scale_denom ? 0 : kRoundingMargin;
    const int64_t top = std::max<int64_t>(wanted.top - rows, 0);
    const int64_t bottom =
        std::min<int64_t>(wanted.top + wanted.height + rows, info_.output_height);
    const int64_t left = std::max<int64_t>(wanted.left - kChromaMargin, 0);
    const int64_t right =
        std::min<int64_t>(wanted.left + wanted.width + kChromaMargin, info_.output_width);
    return {top, left, bottom - top, right - left};
  }

  // Limits decoding to the box's columns and widens the box to the blocks that hold them.
  void crop_columns(Box& box) {
    JDIMENSION left = static_cast<JDIMENSION>(box.left);
    JDIMENSION width = static_cast<JDIMENSION>(box.width);
    limit_columns(&left, &width);
    box.left = left;
    box.width = width;
  }

  void limit_columns(JDIMENSION* left, JDIMENSION* width) {
    if (setjmp(errors_.jump) != 0) {
      throw BadImage(errors_.text);
    }
    if (*width < info_.output_width) {
      jpeg_crop_scanline(&info_, left, width);
    }
  }

  void replace_huffman(const Box& box) {
    if (is_by_library_) {
      return;
    }
    const int blocks_across = info_.comps_in_scan == 1 ? 1 : info_.max_h_samp_factor;
    const int64_t mcu_width = int64_t{blocks_across} * info_.scale_num;  // of 8 at full size
    const int64_t first = box.left / mcu_width;
    const int64_t end = (box.left + box.width + mcu_width - 1) / mcu_width;
    huffman_.install(
        info_, {static_cast<JDIMENSION>(first), static_cast<JDIMENSION>(end)}, &odd_data_);
  }

  void read_rows(const Box& box, uint8_t* out) {
    if (setjmp(errors_.jump) != 0) {
      throw BadImage(errors_.text);
    }
    if (setjmp(odd_data_) != 0) {
      throw OddData();
    }
    const size_t row_bytes = static_cast<size_t>(box.width) * 3;
    const auto top = static_cast<JDIMENSION>(box.top);
    const auto end = static_cast<JDIMENSION>(box.top + box.height);
    if (top > 0) {
      jpeg_skip_scanlines(&info_, top);
    }
    while (info_.output_scanline < end) {
      uint8_t* const row = out + row_bytes * (info_.output_scanline - top);
      if (is_cmyk()) {
        read_cmyk_row(row, static_cast<size_t>(box.width));
        continue;
      }
      std::array<uint8_t*, kRowsAtOnce> rows;
      const JDIMENSION num_rows = std::min<JDIMENSION>(kRowsAtOnce, end - info_.output_scanline);
      for (JDIMENSION i = 0; i < num_rows; ++i) {
        rows[i] = row + row_bytes * i;
      }
      jpeg_read_scanlines(&info_, rows.data(), num_rows);
    }
  }

  void read_cmyk_row(uint8_t* row, size_t width) {
    uint8_t* target = cmyk_row_.data();
    jpeg_read_scanlines(&info_, &target, 1);
    convert_inverted_cmyk_row(target, row, width);
  }

  static constexpr JDIMENSION kRowsAtOnce = 4;  // a row of blocks gives at most so many at once

  const EntropyDecoder entropy_;
  std::span<const uint8_t> bytes_;
  jpeg_decompress_struct info_{};
  JpegErrors errors_{};
  jpeg_progress_mgr progress_{};
  bool is_fast_ = false;
  HuffmanScan huffman_;
  std::jmp_buf odd_data_;
  bool is_by_library_ = false;  // the open file, which may have odd data
  std::vector<uint8_t> cmyk_row_;
};

JpegDecoder::JpegDecoder(EntropyDecoder entropy) : impl_(std::make_unique<Impl>(entropy)) {}

JpegDecoder::~JpegDecoder() = default;

Size JpegDecoder::open(std::span<const uint8_t> bytes) { return impl_->open(bytes); }

int JpegDecoder::orientation() const { return impl_->orientation(); }

ImagePart JpegDecoder::decode(
    const DecodeRequest& request, DecodeMode mode, std::vector<uint8_t>& pixels) {
  return impl_->decode(request, mode, pixels);
}

bool is_jpeg(std::span<const uint8_t> bytes) {
  return bytes.size() >= 3 && bytes[0] == 0xFF && bytes[1] == 0xD8 && bytes[2] == 0xFF;
}

}  // namespace vim::data
