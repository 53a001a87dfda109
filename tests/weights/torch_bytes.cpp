// In the order of the zip specification's sections 4.3.7, 4.3.12, 4.3.14 to 4.3.16.
#include "tests/weights/torch_bytes.h"

namespace vim::test {
namespace {

std::string little_endian(uint64_t value, int size) {
  std::string bytes;
  for (int i = 0; i < size; ++i) {
    bytes.push_back(static_cast<char>(value >> (8 * i)));
  }
  return bytes;
}

uint32_t crc_of(const ZipPart& part) { return part.crc ? *part.crc : plain_crc32(part.data); }

std::string local_header(const ZipPart& part) {
  const uint64_t flags = part.flags | (part.has_descriptor ? 1U << 3 : 0U);
  const uint64_t size = part.has_descriptor ? 0 : part.data.size();
  const uint64_t crc = part.has_descriptor ? 0 : crc_of(part);
  std::string bytes = "PK\x03\x04" + u16(20) + u16(flags) + u16(part.method) + u32(0) + u32(crc);
  bytes += u32(size) + u32(size) + u16(part.name.size()) + u16(0) + part.name;
  bytes += part.data;
  if (part.has_descriptor) {
    bytes += "PK\x07\x08" + u32(crc_of(part)) + u32(part.data.size()) + u32(part.data.size());
  }
  return bytes;
}

std::string central_header(const ZipPart& part, uint64_t offset) {
  const uint64_t flags = part.flags | (part.has_descriptor ? 1U << 3 : 0U);
  const uint64_t size = part.is_64 ? 0xFFFFFFFF : part.data.size();
  const std::string extra =
      part.is_64 ? u16(1) + u16(24) + u64(part.data.size()) + u64(part.data.size()) + u64(offset)
                 : "";
  std::string bytes = "PK\x01\x02" + u16(20) + u16(20) + u16(flags) + u16(part.method) + u32(0);
  bytes += u32(crc_of(part)) + u32(size) + u32(size) + u16(part.name.size());
  bytes += u16(extra.size()) + u16(0) + u16(0) + u16(0) + u32(0);
  bytes += u32(part.is_64 ? 0xFFFFFFFF : offset) + part.name + extra;
  return bytes;
}

}  // namespace

std::string u16(uint64_t value) { return little_endian(value, 2); }
std::string u32(uint64_t value) { return little_endian(value, 4); }
std::string u64(uint64_t value) { return little_endian(value, 8); }

uint32_t plain_crc32(std::string_view bytes) {
  uint32_t crc = 0xFFFFFFFF;
  for (const char c : bytes) {
    crc ^= static_cast<unsigned char>(c);
    for (int bit = 0; bit < 8; ++bit) {
      crc = (crc & 1) != 0 ? (crc >> 1) ^ 0xEDB88320 : crc >> 1;
    }
  }
  return ~crc;
}

std::string zip_bytes(const std::vector<ZipPart>& parts, const std::string& comment, bool is_64) {
  std::string bytes;
  std::string directory;
  for (const ZipPart& part : parts) {
    directory += central_header(part, bytes.size());
    bytes += local_header(part);
  }
  const uint64_t offset = bytes.size();
  bytes += directory;
  if (is_64) {
    const uint64_t end64 = bytes.size();
    bytes += "PK\x06\x06" + u64(44) + u16(45) + u16(45) + u32(0) + u32(0);
    bytes += u64(parts.size()) + u64(parts.size()) + u64(directory.size()) + u64(offset);
    bytes += "PK\x06\x07" + u32(0) + u64(end64) + u32(1);
  }
  const uint64_t count = is_64 ? 0xFFFF : parts.size();
  bytes += "PK\x05\x06" + u16(0) + u16(0) + u16(count) + u16(count);
  bytes += u32(is_64 ? 0xFFFFFFFF : directory.size()) + u32(is_64 ? 0xFFFFFFFF : offset);
  return bytes + u16(comment.size()) + comment;
}

std::string pickle_text(std::string_view text) {
  return std::string("X").append(u32(text.size())).append(text);
}

std::string pickle_int(int64_t value) {
  return std::string("\x8A\x08").append(u64(static_cast<uint64_t>(value)));
}

std::string pickle_global(std::string_view module, std::string_view name) {
  return std::string("c").append(module).append("\n").append(name).append("\n");
}

std::string pickle_tuple(const std::vector<std::string>& items) {
  std::string bytes = "(";
  for (const std::string& item : items) {
    bytes += item;
  }
  return bytes + "t";
}

std::string pickle_ints(const std::vector<int64_t>& values) {
  std::vector<std::string> items;
  for (const int64_t value : values) {
    items.push_back(pickle_int(value));
  }
  return pickle_tuple(items);
}

std::string pickle_dict(const std::vector<std::pair<std::string, std::string>>& pairs) {
  std::string bytes = "}(";
  for (const auto& [key, value] : pairs) {
    bytes += pickle_text(key) + value;
  }
  return bytes + "u";
}

std::string pickle_call(
    std::string_view module, std::string_view name, const std::vector<std::string>& args) {
  return pickle_global(module, name) + pickle_tuple(args) + "R";
}

std::string pickle_storage(std::string_view key, int64_t num_elements, std::string_view type) {
  return pickle_tuple(
             {pickle_text("storage"),
              pickle_global("torch", type),
              pickle_text(key),
              pickle_text("cpu"),
              pickle_int(num_elements)}) +
         "Q";
}

std::string pickle_tensor(
    const std::string& storage,
    int64_t offset,
    const std::vector<int64_t>& shape,
    const std::vector<int64_t>& strides) {
  return pickle_call(
      "torch._utils",
      "_rebuild_tensor_v2",
      {storage,
       pickle_int(offset),
       pickle_ints(shape),
       pickle_ints(strides),
       "\x89",
       pickle_call("collections", "OrderedDict", {})});
}

std::string whole_pickle(const std::string& piece) { return "\x80\x02" + piece + "."; }

std::string torch_zip_bytes(
    const std::string& piece, const std::vector<std::pair<std::string, std::string>>& storages) {
  std::vector<ZipPart> parts = {{"a/data.pkl", whole_pickle(piece)}, {"a/byteorder", "little"}};
  for (const auto& [key, data] : storages) {
    parts.push_back({"a/data/" + key, data});
  }
  parts.push_back({"a/version", "3\n"});
  return zip_bytes(parts);
}

std::string torch_legacy_bytes(
    const std::string& piece, const std::vector<std::pair<std::string, std::string>>& storages) {
  const std::string magic("\x8A\x0A\x6C\xFC\x9C\x46\xF9\x20\x6A\xA8\x50\x19", 12);
  std::string bytes = whole_pickle(magic) + whole_pickle("M\xE9\x03");
  bytes += whole_pickle(pickle_dict({{"little_endian", "\x88"}})) + whole_pickle(piece);
  std::string keys = "](";
  for (const auto& [key, data] : storages) {
    keys += pickle_text(key);
  }
  bytes += whole_pickle(keys + "e");
  for (const auto& [key, data] : storages) {
    bytes += u64(data.size() / 4) + data;
  }
  return bytes;
}

}  // namespace vim::test
