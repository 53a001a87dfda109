// Zip archives and pickles put together by hand, so that tests of reading do not rely on a writer.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace vim::test {

/// An entry of an archive, with what a test may want wrong in it.
struct ZipPart {
  std::string name;
  std::string data;
  uint16_t flags = 0;
  uint16_t method = 0;
  std::optional<uint32_t> crc = std::nullopt;  // the right one where there is none
  bool is_64 = false;                          // sizes and offset in the 64-bit extra field
  bool has_descriptor = false;                 // sizes behind the data, zeros in front
};

/// A whole archive; with `is_64` the end record has its 64-bit twin.
std::string zip_bytes(
    const std::vector<ZipPart>& parts, const std::string& comment = "", bool is_64 = false);

/// CRC-32 bit by bit.
uint32_t plain_crc32(std::string_view bytes);

/// Little-endian.
std::string u16(uint64_t value);
std::string u32(uint64_t value);
std::string u64(uint64_t value);

// Pieces of pickles.
std::string pickle_text(std::string_view text);
std::string pickle_int(int64_t value);
std::string pickle_global(std::string_view module, std::string_view name);
std::string pickle_tuple(const std::vector<std::string>& items);
std::string pickle_ints(const std::vector<int64_t>& values);
std::string pickle_dict(const std::vector<std::pair<std::string, std::string>>& pairs);

/// A call: global, tuple of arguments, REDUCE.
std::string pickle_call(
    std::string_view module, std::string_view name, const std::vector<std::string>& args);

/// The persistent id of a storage of float32.
std::string pickle_storage(
    std::string_view key, int64_t num_elements, std::string_view type = "FloatStorage");

/// A tensor by _rebuild_tensor_v2.
std::string pickle_tensor(
    const std::string& storage,
    int64_t offset,
    const std::vector<int64_t>& shape,
    const std::vector<int64_t>& strides);

/// Protocol 2, the piece, STOP.
std::string whole_pickle(const std::string& piece);

/// An archive as torch.save writes it: the object and its storages by key.
std::string torch_zip_bytes(
    const std::string& piece, const std::vector<std::pair<std::string, std::string>>& storages);

/// The same in the old form; storages with their numbers of elements of four bytes.
std::string torch_legacy_bytes(
    const std::string& piece, const std::vector<std::pair<std::string, std::string>>& storages);

}  // namespace vim::test
