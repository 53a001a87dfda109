// What a weight file is, judged by its first bytes and never by its name.
#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace vim::weights {

enum class FileKind { kSafetensors, kTorchZip, kTorchLegacy, kOther };

/// What the bytes begin like; whether the rest keeps that promise is the reader's affair.
FileKind recognise_kind(std::span<const std::byte> bytes);

/// Throws the vim::Error that says what a file of kind kOther seems to be and what to do.
[[noreturn]] void refuse_kind(std::span<const std::byte> bytes, const std::string& file_name);

}  // namespace vim::weights
