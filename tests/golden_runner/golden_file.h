// What the cases need beside the reading of golden files: the way between the files' channel-first
// layout and the ops' channel-last one.
#pragma once

#include <ATen/core/Tensor.h>

#include <filesystem>

#include "tests/golden_runner/check.h"
#include "tests/support/golden_file.h"

namespace vim::golden {

using test::GoldenFile;
using test::read_text;
using test::relative_error;

/// The file with its tensors on the selected backend's device.
GoldenFile load_golden(const std::filesystem::path& path);

/// (batch, channels, seqlen) to contiguous (batch, seqlen, channels) and back; an undefined tensor
/// stays undefined.
at::Tensor to_tokens(const at::Tensor& channel_first);
at::Tensor from_tokens(const at::Tensor& tokens);

/// A leaf copy that gradients are wanted for; an undefined tensor stays undefined.
at::Tensor leaf(const at::Tensor& tensor);

}  // namespace vim::golden
