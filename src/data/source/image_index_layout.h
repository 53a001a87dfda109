// The records of an index file as they lie, shared by its reader and writer. Internal to this
// folder.
#pragma once

#include <cstdint>
#include <string_view>

namespace vim::data {

inline constexpr std::string_view kIndexMagic = "VIMINDEX";
inline constexpr uint32_t kIndexVersion = 1;
inline constexpr int kIndexOffsetBits = 48;

struct IndexHeader {
  char magic[8];
  uint32_t version;
  uint32_t reserved;
  uint64_t num_entries;
  uint64_t table_bytes;
  uint64_t names_bytes;
  uint64_t table_checksum;
  uint64_t reserved_too;
  uint64_t header_checksum;
};
static_assert(sizeof(IndexHeader) == 64);

struct IndexRecord {
  uint64_t place;  // source, and below kIndexOffsetBits the offset
  uint32_t length;
  uint32_t label;
  uint32_t name_begin;  // the name ends where the next one begins
  uint32_t check;
};
inline constexpr uint64_t kIndexEntryBytes = 24;
static_assert(sizeof(IndexRecord) == kIndexEntryBytes);

/// The check that belongs to the record's other fields and its name.
uint32_t entry_check(const IndexRecord& record, std::string_view name);

}  // namespace vim::data
