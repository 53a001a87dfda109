// libjpeg calls its entropy decoder through a struct of two functions and a flag. Its public header
// holds a pointer to it, its layout (jpegint.h) has been the same since 1994; it is replaced only
// under versions of libjpeg-turbo where that was checked. Everything else (inverse DCT, chroma,
// colours) stays the library's. Speed comes from one table look-up for a code together with the
// value behind it, and from several symbols a look-up where coefficients are not wanted.
#include "src/data/image/jpeg_huffman.h"

#include <algorithm>
#include <cstring>
#include <type_traits>

namespace vim::data {
namespace {

#if defined(LIBJPEG_TURBO_VERSION_NUMBER)
constexpr bool kIsKnownLibrary =
    LIBJPEG_TURBO_VERSION_NUMBER >= 2000000 && LIBJPEG_TURBO_VERSION_NUMBER < 3002000;
#else
constexpr bool kIsKnownLibrary = false;
#endif

constexpr int kMaxCodeLength = 16;
// A block of the longest symbols may be read behind the end of the data before that is noticed.
constexpr size_t kPadding = DCTSIZE2 * 31 / 8 + 2 * sizeof(uint64_t);
constexpr int32_t kMaxDc = 1 << 20;  // far beyond sound data, far from overflow

// The position of the i-th coefficient of a block in file order. What lies behind the last one is
// never set, so the 0 that goes with the end of a block may be stored there.
constexpr std::array<uint8_t, 64> kFileOrder = {
    0,  1,  8,  16, 9,  2,  3,  10, 17, 24, 32, 25, 18, 11, 4,  5,  12, 19, 26, 33, 40, 48,
    41, 34, 27, 20, 13, 6,  7,  14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23,
    30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63};

constexpr std::array<uint8_t, 256> make_positions() {
  std::array<uint8_t, 256> positions{};
  for (size_t i = 0; i < positions.size(); ++i) {
    positions[i] = i < kFileOrder.size() ? kFileOrder[i] : uint8_t{63};
  }
  return positions;
}

constexpr std::array<uint8_t, 256> kPositions = make_positions();

// The value in the low `size` bits. Source: ITU-T T.81, table F.1 and figure F.12: the lower half
// of the numbers of that many bits stands for negative values.
inline int32_t value_of(int size, uint32_t bits) {
  const uint32_t mask = (1U << size) - 1;
  bits &= mask;
  const uint32_t is_negative = bits <= mask >> 1 ? 1 : 0;
  return static_cast<int32_t>(bits - is_negative * mask);
}

HuffmanTable::Symbol make_symbol(uint8_t symbol, int code_length, bool is_dc) {
  const int size = is_dc ? symbol : symbol & 15;
  const int run = is_dc ? 0 : symbol >> 4;
  const bool is_end = !is_dc && size == 0 && run != 15;
  return {
      static_cast<uint8_t>(code_length + size),
      static_cast<uint8_t>(size),
      static_cast<uint8_t>(is_end ? HuffmanTable::kEndOfBlock : run + 1)};
}

}  // namespace

bool HuffmanTable::build(const JHUFF_TBL& table, bool is_dc) {
  symbols.fill({0, 0, 0});
  source = table;
  is_built = false;
  uint32_t code = 0;
  int32_t index = 0;
  for (int length = 1; length <= kMaxCodeLength; ++length, code <<= 1) {
    value_offset[static_cast<size_t>(length)] = index - static_cast<int32_t>(code);
    for (int i = 0; i < table.bits[length]; ++i, ++index, ++code) {
      if (index >= 256 || code >= 1U << length || (is_dc && table.huffval[index] > 15)) {
        return false;
      }
      const Symbol symbol = make_symbol(table.huffval[index], length, is_dc);
      symbol_of[static_cast<size_t>(index)] = symbol;
      if (length <= kLookBits) {
        const int spare = kLookBits - length;
        std::fill_n(symbols.begin() + (code << spare), size_t{1} << spare, symbol);
      }
    }
    code_end[static_cast<size_t>(length)] = code << (kMaxCodeLength - length);
  }
  code_end[kMaxCodeLength + 1] = UINT32_MAX;
  if (!is_dc) {
    build_pairs();
    build_runs();
  }
  is_built = true;
  return true;
}

void HuffmanTable::build_pairs() {
  constexpr uint32_t kMask = (1U << kPairBits) - 1;
  const auto symbol_at = [this](uint32_t bits) {
    return symbols[(bits & kMask) >> (kPairBits - kLookBits)];
  };
  for (uint32_t bits = 0; bits <= kMask; ++bits) {
    const Symbol first = symbol_at(bits);
    if (first.length == 0 || first.length > kPairBits) {
      pairs[bits] = {{0, 0}, {kNone, kNone}, 0};
      continue;
    }
    const auto value =
        static_cast<int16_t>(value_of(first.size, bits >> (kPairBits - first.length)));
    Pair pair{{value, value}, {first.step, first.step}, first.length};
    const Symbol second = symbol_at(bits << first.length);
    const int length = first.length + second.length;
    if (second.length != 0 && length <= kPairBits && first.step < kEndOfBlock) {
      pair.values[1] = static_cast<int16_t>(value_of(second.size, bits >> (kPairBits - length)));
      pair.steps[1] = static_cast<uint8_t>(first.step + second.step);
      pair.length = static_cast<uint8_t>(length);
    }
    pairs[bits] = pair;
  }
}

void HuffmanTable::build_runs() {
  constexpr uint32_t kMask = (1U << kLookBits) - 1;
  for (uint32_t bits = 0; bits <= kMask; ++bits) {
    Run run{0, 0, 0};
    while (run.is_end == 0 && run.length < kLookBits) {
      // Zeros stand for bits that are not known: a code that needs some of them is not taken.
      const Symbol symbol = symbols[bits << run.length & kMask];
      const int code_length = symbol.length - symbol.size;
      if (symbol.length == 0 || run.length + code_length > kLookBits || run.step > DCTSIZE2) {
        break;
      }
      run.length = static_cast<uint8_t>(run.length + symbol.length);
      run.is_end = symbol.step == kEndOfBlock ? 1 : 0;
      run.step = static_cast<uint8_t>(run.step + (run.is_end != 0 ? 0 : symbol.step)) & 127;
    }
    runs[bits] = run;
  }
}

inline uint32_t HuffmanScan::peek(const Bits& in, int length) {
  return static_cast<uint32_t>(in.bits >> (64 - length));
}

inline void HuffmanScan::use(Bits& in, unsigned length) {
  in.bits <<= length;
  in.count -= length;
}

// Uses up a symbol and returns its value.
inline int32_t HuffmanScan::take(const HuffmanTable::Symbol& symbol, Bits& in) {
  const int32_t value =
      value_of(symbol.size, static_cast<uint32_t>(in.bits >> (64 - symbol.length)));
  use(in, symbol.length);
  return value;
}

// At least 56 bits. A symbol with its value has at most 31.
inline void HuffmanScan::refill(Bits& in) {
  uint64_t word;
  std::memcpy(&word, in.next, sizeof(word));
  in.bits |= __builtin_bswap64(word) >> in.count;
  in.next += (63 - in.count) >> 3;
  in.count |= 56;
}

// Copies up to the first marker; FF 00 stands for FF.
void HuffmanScan::copy_data(std::span<const uint8_t> stuffed) {
  data_.resize(stuffed.size() + kPadding);
  const uint8_t* from = stuffed.data();
  const uint8_t* const end = from + stuffed.size();
  uint8_t* to = data_.data();
  while (from < end) {
    const auto* ff = static_cast<const uint8_t*>(std::memchr(from, 0xFF, end - from));
    const bool is_stuffed = ff != nullptr && end - ff >= 2 && ff[1] == 0;
    const uint8_t* const stop = ff == nullptr ? end : ff + (is_stuffed ? 1 : 0);
    to = std::copy(from, stop, to);
    from = is_stuffed ? stop + 1 : end;
  }
  data_size_ = static_cast<size_t>(to - data_.data());
  std::fill_n(to, kPadding, uint8_t{0});
}

void HuffmanScan::give_up() { std::longjmp(*on_odd_data_, 1); }

HuffmanTable::Symbol HuffmanScan::long_symbol(const HuffmanTable& table, uint32_t look) {
  int length = HuffmanTable::kLookBits + 1;
  while (look >= table.code_end[static_cast<size_t>(length)]) {
    ++length;
  }
  if (length > kMaxCodeLength) {
    give_up();
  }
  const auto code = static_cast<int32_t>(look >> (kMaxCodeLength - length));
  const int32_t index = code + table.value_offset[static_cast<size_t>(length)];
  return table.symbol_of[static_cast<size_t>(index)];
}

// The next symbol, whose bits are still to be used up.
inline HuffmanTable::Symbol HuffmanScan::next_symbol(const HuffmanTable& table, const Bits& in) {
  const HuffmanTable::Symbol symbol = table.symbols[peek(in, HuffmanTable::kLookBits)];
  return symbol.length == 0 ? long_symbol(table, peek(in, kMaxCodeLength)) : symbol;
}

// Stores two symbols at once and returns true, if both are certain to belong to this block.
inline bool HuffmanScan::decode_pair(
    const HuffmanTable& table, Bits& in, unsigned& position, JCOEF* block) {
  const HuffmanTable::Pair pair = table.pairs[peek(in, HuffmanTable::kPairBits)];
  const unsigned first = position + pair.steps[0];
  if (first >= DCTSIZE2) {
    return false;
  }
  position += pair.steps[1];
  block[kPositions[first - 1]] = pair.values[0];
  block[kPositions[position - 1]] = pair.values[1];
  use(in, pair.length);
  return true;
}

inline void HuffmanScan::decode_ac(const HuffmanTable& table, Bits& in, JCOEF* block) {
  unsigned position = 1;
  while (position < DCTSIZE2) {
    refill(in);  // enough for two pairs and a symbol
    if (decode_pair(table, in, position, block) && decode_pair(table, in, position, block)) {
      continue;
    }
    if (position >= DCTSIZE2) {
      break;
    }
    const HuffmanTable::Symbol symbol = next_symbol(table, in);
    position += symbol.step;
    block[kPositions[position - 1]] = static_cast<JCOEF>(take(symbol, in));
  }
  if (position > DCTSIZE2 && position < HuffmanTable::kEndOfBlock) {
    give_up();
  }
}

inline void HuffmanScan::skip_ac(const HuffmanTable& table, Bits& in) {
  unsigned position = 1;
  while (position < DCTSIZE2) {
    refill(in);
    const HuffmanTable::Run run = table.runs[peek(in, HuffmanTable::kLookBits)];
    if (run.length != 0 && position + run.step < DCTSIZE2) {
      use(in, run.length);
      position += run.step + (run.is_end != 0 ? HuffmanTable::kEndOfBlock : 0);
      continue;
    }
    const HuffmanTable::Symbol symbol = next_symbol(table, in);
    position += symbol.step;
    use(in, symbol.length);
  }
  if (position > DCTSIZE2 && position < HuffmanTable::kEndOfBlock) {
    give_up();
  }
}

// Whether bits have been used that the data do not have.
bool HuffmanScan::is_behind_end(const Bits& in) const {
  const auto num_read = static_cast<size_t>(in.next - data_.data()) * 8;
  return num_read - in.count > data_size_ * 8;
}

void HuffmanScan::decode(JBLOCKROW* blocks) {
  const bool is_wanted = blocks != nullptr && column_ >= wanted_.begin && column_ < wanted_.end;
  column_ = column_ + 1 == num_columns_ ? 0 : column_ + 1;
  Bits in = in_;
  for (int i = 0; i < num_blocks_; ++i) {
    const Block& block = blocks_[static_cast<size_t>(i)];
    int32_t& dc = last_dc_[static_cast<size_t>(block.component)];
    refill(in);
    dc += take(next_symbol(*block.dc, in), in);
    if (dc > kMaxDc || dc < -kMaxDc || is_behind_end(in)) {
      give_up();
    }
    if (is_wanted) {
      JCOEF* const coefficients = *blocks[i];
      coefficients[0] = static_cast<JCOEF>(dc);
      decode_ac(*block.ac, in, coefficients);
    } else {
      skip_ac(*block.ac, in);
    }
  }
  if (is_behind_end(in)) {
    give_up();
  }
  in_ = in;
}

boolean HuffmanScan::decode_mcu(j_decompress_ptr info, JBLOCKROW* blocks) {
  reinterpret_cast<HuffmanScan*>(info->entropy)->decode(blocks);
  return TRUE;
}

const HuffmanTable* HuffmanScan::table_of(const JHUFF_TBL* source, bool is_dc, int number) {
  if (source == nullptr) {
    return nullptr;
  }
  HuffmanTable& table = (is_dc ? dc_tables_ : ac_tables_)[static_cast<size_t>(number)];
  const bool is_same =
      table.is_built && std::memcmp(table.source.bits, source->bits, sizeof(source->bits)) == 0 &&
      std::memcmp(table.source.huffval, source->huffval, sizeof(source->huffval)) == 0;
  return is_same || table.build(*source, is_dc) ? &table : nullptr;
}

bool HuffmanScan::install(
    jpeg_decompress_struct& info, const Columns& wanted, std::jmp_buf* on_odd_data) {
  const bool is_baseline = info.progressive_mode == FALSE && info.arith_code == FALSE &&
                           info.comps_in_scan == info.num_components && info.Ss == 0 &&
                           info.Se == DCTSIZE2 - 1 && info.Ah == 0 && info.Al == 0 &&
                           info.restart_interval == 0 && info.data_precision == 8;
  if (!kIsKnownLibrary || !is_baseline) {
    return false;
  }
  num_blocks_ = info.blocks_in_MCU;
  for (int i = 0; i < num_blocks_; ++i) {
    Block& block = blocks_[static_cast<size_t>(i)];
    block.component = info.MCU_membership[i];
    const jpeg_component_info& component = *info.cur_comp_info[block.component];
    block.dc = table_of(info.dc_huff_tbl_ptrs[component.dc_tbl_no], true, component.dc_tbl_no);
    block.ac = table_of(info.ac_huff_tbl_ptrs[component.ac_tbl_no], false, component.ac_tbl_no);
    if (block.dc == nullptr || block.ac == nullptr) {
      return false;
    }
  }
  copy_data({info.src->next_input_byte, info.src->bytes_in_buffer});
  in_ = {data_.data(), 0, 0};
  last_dc_.fill(0);
  column_ = 0;
  num_columns_ = info.MCUs_per_row;
  wanted_ = wanted;
  on_odd_data_ = on_odd_data;
  static_assert(std::is_standard_layout_v<HuffmanScan>);
  interface_ = {nullptr, decode_mcu, FALSE};
  info.entropy = reinterpret_cast<jpeg_entropy_decoder*>(&interface_);
  return true;
}

}  // namespace vim::data
