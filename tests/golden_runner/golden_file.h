// A golden safetensors file as tensors, and how computed tensors are compared with it.
#pragma once

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace vim::golden {

/// One comparison of a case.
struct Check {
  std::string what;
  double error = 0.0;
  double tolerance = 0.0;
};

using Checks = std::vector<Check>;

/// All tensors and metadata of one file.
struct GoldenFile {
  std::map<std::string, at::Tensor> tensors;
  std::map<std::string, std::string> metadata;

  /// The tensor of that name. Throws vim::Error where the file has none.
  const at::Tensor& at(const std::string& name) const;

  /// The tensor of that name, or an undefined one.
  at::Tensor get(const std::string& name) const;

  /// Name and tensor of every entry under `prefix`, names without it.
  std::map<std::string, at::Tensor> under(const std::string& prefix) const;
};

GoldenFile load_golden(const std::filesystem::path& path);

/// The whole text of a file.
std::string read_text(const std::filesystem::path& path);

/// max|a - b| / max(max|b|, 1e-6), infinite for a different shape or a non-finite value.
double relative_error(const at::Tensor& computed, const at::Tensor& expected);

/// (batch, channels, seqlen) to contiguous (batch, seqlen, channels) and back: golden files are
/// channel-first, the ops channel-last.
at::Tensor to_tokens(const at::Tensor& channel_first);
at::Tensor from_tokens(const at::Tensor& tokens);

/// A leaf copy that gradients are wanted for; an undefined tensor stays undefined.
at::Tensor leaf(const at::Tensor& tensor);

}  // namespace vim::golden
