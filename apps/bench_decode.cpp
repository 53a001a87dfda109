// libjpeg-turbo as one would call it by hand: a decompressor and a buffer for each thread, which
// takes the next file from a shared counter. An error jumps out of the library into decode(), which
// holds no object with a destructor.
#include "apps/bench_decode.h"

#include <fmt/format.h>

#include <atomic>
#include <chrono>
#include <csetjmp>
#include <cstddef>
#include <cstdio>
#include <vector>

#include <jpeglib.h>

#include "src/core/error.h"
#include "src/core/run_threads.h"
#include "src/data/image/decode.h"

namespace vim::apps {
namespace {

struct JpegErrors {
  jpeg_error_mgr base;  // first: libjpeg hands back a pointer to it
  std::jmp_buf jump;
};

[[noreturn]] void jump_back(j_common_ptr info) {
  std::longjmp(reinterpret_cast<JpegErrors*>(info->err)->jump, 1);
}

void ignore_message(j_common_ptr /*info*/, int /*level*/) {}

class BareDecoder {
 public:
  BareDecoder() {
    info_.err = jpeg_std_error(&errors_.base);
    errors_.base.error_exit = jump_back;
    errors_.base.emit_message = ignore_message;
    jpeg_create_decompress(&info_);
  }
  ~BareDecoder() { jpeg_destroy_decompress(&info_); }
  BareDecoder(const BareDecoder&) = delete;
  BareDecoder& operator=(const BareDecoder&) = delete;

  // False if the bytes cannot be decoded.
  bool decode(std::span<const uint8_t> bytes) {
    if (setjmp(errors_.jump) != 0) {
      jpeg_abort_decompress(&info_);
      return false;
    }
    jpeg_mem_src(&info_, bytes.data(), bytes.size());
    jpeg_read_header(&info_, TRUE);
    info_.out_color_space = info_.num_components == 4 ? JCS_CMYK : JCS_RGB;
    jpeg_start_decompress(&info_);
    const size_t row_bytes = size_t{info_.output_width} * info_.output_components;
    make_room(row_bytes * info_.output_height);
    while (info_.output_scanline < info_.output_height) {
      uint8_t* row = pixels_.data() + row_bytes * info_.output_scanline;
      jpeg_read_scanlines(&info_, &row, 1);
    }
    jpeg_finish_decompress(&info_);
    return true;
  }

 private:
  void make_room(size_t size) {
    if (pixels_.size() < size) {
      pixels_.resize(size);
    }
  }

  jpeg_decompress_struct info_{};
  JpegErrors errors_{};
  std::vector<uint8_t> pixels_;
};

bool is_jpeg(std::span<const uint8_t> bytes) {
  return bytes.size() >= 2 && bytes[0] == 0xFF && bytes[1] == 0xD8;
}

void decode_one(
    const data::Dataset& dataset,
    int64_t index,
    std::vector<uint8_t>& buffer,
    BareDecoder& decoder) {
  const data::StoredImage stored = dataset.fetch(index, buffer);
  const std::string name = dataset.name(index);
  if (stored.pixels != data::Size{}) {
    throw Error(fmt::format("{}: holds pixels; measure on a set of JPEG files", name));
  }
  if (!is_jpeg(stored.bytes)) {
    data::decode_image(stored.bytes);
  } else if (!decoder.decode(stored.bytes)) {
    throw Error(fmt::format("{}: cannot be decoded; replace or remove it", name));
  }
}

}  // namespace

double seconds_to_decode(const data::Dataset& dataset, int64_t num_threads) {
  std::atomic<int64_t> next = 0;
  const auto start = std::chrono::steady_clock::now();
  core::run_threads(num_threads, [&dataset, &next] {
    BareDecoder decoder;
    std::vector<uint8_t> buffer;
    for (int64_t index = next++; index < dataset.size(); index = next++) {
      decode_one(dataset, index, buffer, decoder);
    }
  });
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace vim::apps
