// The zip form of torch.save, written since PyTorch 1.6. Internal to this folder.
#pragma once

#include <cstddef>
#include <map>
#include <span>
#include <string>

#include "src/weights/pickle_value.h"
#include "src/weights/zip_archive.h"

namespace vim::weights {

struct TorchZip {
  ZipArchive archive;
  Pickle pickle;
  std::map<std::string, const ZipEntry*> storages;  // by key; entries of the archive
};

/// Reads the object and finds the storages it names, whose contents are not looked at: each must be
/// there in its full size. Throws vim::Error, also for TorchScript archives, big-endian ones and
/// those of later versions.
TorchZip read_torch_zip(std::span<const std::byte> bytes, const std::string& file_name);

}  // namespace vim::weights
