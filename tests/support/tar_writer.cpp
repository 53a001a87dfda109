// Offsets as in POSIX.1-2017, pax, "ustar Interchange Format".
#include "tests/support/tar_writer.h"

#include <cstdio>
#include <numeric>

namespace vim::test {
namespace {

constexpr size_t kBlock = 512;

void put(std::string& block, size_t offset, std::string_view text) {
  block.replace(offset, text.size(), text);
}

std::string octal(uint64_t value, int digits) {
  char text[32];
  std::snprintf(text, sizeof text, "%0*llo", digits, static_cast<unsigned long long>(value));
  return text;
}

}  // namespace

std::string tar_item(const TarItem& item) {
  std::string block(kBlock, '\0');
  put(block, 0, std::string_view(item.name).substr(0, 100));
  put(block, 100, "0000644");
  put(block, 124, item.size_field.empty() ? octal(item.bytes.size(), 11) : item.size_field);
  put(block, 136, octal(0, 11));
  put(block, 148, "        ");
  block[156] = item.type;
  put(block, 257, item.magic);
  if (item.magic == "ustar") {
    put(block, 263, "00");
  }
  put(block, 345, item.prefix);
  const uint64_t sum = std::accumulate(
      block.begin(), block.end(), uint64_t{0}, [](uint64_t total, unsigned char byte) {
        return total + byte;
      });
  put(block, 148, octal(sum, 6) + std::string("\0 ", 2));
  const size_t padding = (kBlock - item.bytes.size() % kBlock) % kBlock;
  return block + item.bytes + std::string(padding, '\0');
}

std::string pax_item(const std::vector<std::pair<std::string, std::string>>& records) {
  std::string text;
  for (const auto& [key, value] : records) {
    const std::string record = " " + key + "=" + value + "\n";
    size_t length = record.size();
    while (std::to_string(length).size() + record.size() != length) {
      length = std::to_string(length).size() + record.size();
    }
    text += std::to_string(length) + record;
  }
  return tar_item({.name = "PaxHeaders/x", .bytes = text, .type = 'x'});
}

std::string tar_end() { return std::string(2 * kBlock, '\0'); }

std::string make_tar(const std::vector<std::pair<std::string, std::string>>& files) {
  std::string tar;
  for (const auto& [name, bytes] : files) {
    tar += tar_item({.name = name, .bytes = bytes});
  }
  return tar + tar_end();
}

}  // namespace vim::test
