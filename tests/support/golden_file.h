// Reference files as tensors, and the comparison that they were made for.
#pragma once

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <map>
#include <string>

namespace vim::test {

/// All tensors and metadata of one safetensors file.
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

/// max|a - b| / max(max|b|, 1e-6), infinite for a different shape or a value that is not finite.
double relative_error(const at::Tensor& computed, const at::Tensor& expected);

}  // namespace vim::test
