// Signatures, and what people most often have in hand instead of weights.
#include "src/weights/file_kind.h"

#include <string_view>

#include "src/core/error.h"
#include "src/weights/byte_cursor.h"

namespace vim::weights {
namespace {

using namespace std::string_view_literals;

constexpr size_t kHeaderAt = 8;  // where the JSON of safetensors begins

// The first pickle of torch.save's old form holds the number 0x1950a86a20f9469cfc6c: in protocol 2
// and above as the opcode LONG1 with its bytes, before that in decimal.
constexpr std::string_view kLegacyBinary = "\x8A\x0A\x6C\xFC\x9C\x46\xF9\x20\x6A\xA8\x50\x19"sv;
constexpr std::string_view kLegacyDecimal = "L119547037146038801333356L\n"sv;

bool is_legacy(std::string_view text) {
  constexpr size_t kFarthest = 32;  // behind the protocol and perhaps a frame
  return text.starts_with(kLegacyDecimal) ||
         (text.starts_with('\x80') &&
          text.substr(0, kFarthest).find(kLegacyBinary) != std::string_view::npos);
}

std::string_view guess(std::string_view text) {
  constexpr size_t kTarSignature = 257;
  if (text.empty()) {
    return "the file is empty; fetch or write it again";
  }
  if (text.starts_with("version https://git-lfs")) {
    return "only a Git LFS pointer, not the weights; run: git lfs pull";
  }
  if (text.starts_with('<')) {
    return "a web page, not weights; fetch the file itself";
  }
  if (text.size() > kTarSignature && text.substr(kTarSignature).starts_with("ustar")) {
    return "the tar form that PyTorch wrote before 0.1.10 is not read; load it with PyTorch and "
           "save it again";
  }
  if (text.starts_with('\x80')) {
    return "a pickle that torch.save did not write; load it with Python and save it with "
           "torch.save";
  }
  return "neither safetensors nor a file of torch.save; check the path";
}

}  // namespace

FileKind recognise_kind(std::span<const std::byte> bytes) {
  const std::string_view text = as_text(bytes);
  if (text.size() > kHeaderAt && text[kHeaderAt] == '{' && text.substr(5, 3) == "\0\0\0"sv) {
    return FileKind::kSafetensors;
  }
  if (text.starts_with("PK\x03\x04"sv) || text.starts_with("PK\x05\x06"sv)) {
    return FileKind::kTorchZip;
  }
  return is_legacy(text) ? FileKind::kTorchLegacy : FileKind::kOther;
}

void refuse_kind(std::span<const std::byte> bytes, const std::string& file_name) {
  throw Error(file_name + ": " + std::string(guess(as_text(bytes))));
}

}  // namespace vim::weights
