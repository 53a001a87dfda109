// Tar files made block by block, for tests that need one to be odd in a certain way.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace vim::test {

/// One header and what follows it. Fields are written as they stand.
struct TarItem {
  std::string name;
  std::string bytes = {};
  char type = '0';
  std::string size_field = {};  // empty: the number of bytes, octal
  std::string magic = "ustar";  // and a NUL; "" is v7
  std::string prefix = {};
};

/// Header, bytes and padding of one member.
std::string tar_item(const TarItem& item);

/// A pax header (type x) that holds the records, for the member behind it.
std::string pax_item(const std::vector<std::pair<std::string, std::string>>& records);

/// The two blocks of zeros at the end.
std::string tar_end();

/// A whole tar file of plain members, each a name and its bytes.
std::string make_tar(const std::vector<std::pair<std::string, std::string>>& files);

}  // namespace vim::test
