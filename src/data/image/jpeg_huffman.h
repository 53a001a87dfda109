// A faster Huffman decoder for libjpeg-turbo, whose own takes two thirds of the time of decoding a
// photograph; of use inside this folder only.
#pragma once

#include <csetjmp>
#include <cstddef>
#include <cstdio>

#include <jpeglib.h>

#include <array>
#include <cstdint>
#include <span>
#include <vector>

namespace vim::data {

/// The symbols of a scan by the next kLookBits bits.
struct HuffmanTable {
  static constexpr int kLookBits = 9;

  /// length: bits of the code and of the value behind it; 0: the code is longer, or none. size: of
  /// the value, in bits. step: coefficients passed with it, kEndOfBlock for the last.
  struct Symbol {
    uint8_t length;
    uint8_t size;
    uint8_t step;
  };
  static constexpr int kEndOfBlock = 128;

  /// Two AC symbols with their values, or one alone, then given twice. steps[1] includes steps[0].
  /// length: bits of all; where not even one lies in kPairBits bits, steps[0] is kNone.
  struct Pair {
    std::array<int16_t, 2> values;
    std::array<uint8_t, 2> steps;
    uint8_t length;
  };
  static constexpr int kPairBits = 10;
  static constexpr uint8_t kNone = 255;

  /// All AC symbols whose codes lie in kLookBits bits, their values perhaps beyond. step: without
  /// the end of the block.
  struct Run {
    uint8_t length;
    uint8_t step : 7;
    uint8_t is_end : 1;
  };

  /// Returns false, of no use then, if the table is not a sound one.
  bool build(const JHUFF_TBL& table, bool is_dc);

  std::array<Symbol, 1 << kLookBits> symbols;
  std::array<Pair, 1 << kPairBits> pairs;  // of an AC table
  std::array<Run, 1 << kLookBits> runs;    // of an AC table
  std::array<uint32_t, 18> code_end;     // by length: behind the last code of at most that length,
                                         // as 16 bits; the last is a sentinel
  std::array<int32_t, 17> value_offset;  // by length: index of a code's symbol less the code
  std::array<Symbol, 256> symbol_of;     // by index
  JHUFF_TBL source;                      // what it was built from
  bool is_built = false;

 private:
  void build_pairs();
  void build_runs();
};

/// Decodes the one scan of a baseline file in place of libjpeg's decoder, giving the same
/// coefficients. It knows sound data alone: whatever else it meets, it jumps to `on_odd_data`, and
/// the file must be decoded again without it. Coefficients of columns that nobody wants are passed
/// over.
class HuffmanScan {
 public:
  /// The MCU columns [begin, end) are wanted.
  struct Columns {
    JDIMENSION begin = 0;
    JDIMENSION end = 0;
  };

  /// Takes the place of the library's decoder for the scan that `info` has just started, of which
  /// nothing has been decoded. Returns false, with nothing changed, where it does not know this
  /// kind of scan or this version of the library.
  bool install(jpeg_decompress_struct& info, const Columns& wanted, std::jmp_buf* on_odd_data);

 private:
  // As libjpeg declares it (jpegint.h): two functions and a flag.
  struct Interface {
    void (*start_pass)(j_decompress_ptr);
    boolean (*decode_mcu)(j_decompress_ptr, JBLOCKROW*);
    boolean insufficient_data;
  };

  // The upper `count` bits of `bits` come next, then the bytes at `next`, whose first bits may
  // stand in `bits` already.
  struct Bits {
    const uint8_t* next = nullptr;
    uint64_t bits = 0;
    unsigned count = 0;
  };

  struct Block {
    int component = 0;
    const HuffmanTable* dc = nullptr;
    const HuffmanTable* ac = nullptr;
  };

  static boolean decode_mcu(j_decompress_ptr info, JBLOCKROW* blocks);
  static void refill(Bits& in);
  static void use(Bits& in, unsigned length);
  static uint32_t peek(const Bits& in, int length);
  static int32_t take(const HuffmanTable::Symbol& symbol, Bits& in);

  void decode(JBLOCKROW* blocks);
  HuffmanTable::Symbol next_symbol(const HuffmanTable& table, const Bits& in);
  HuffmanTable::Symbol long_symbol(const HuffmanTable& table, uint32_t look);
  static bool decode_pair(const HuffmanTable& table, Bits& in, unsigned& position, JCOEF* block);
  void decode_ac(const HuffmanTable& table, Bits& in, JCOEF* block);
  void skip_ac(const HuffmanTable& table, Bits& in);
  const HuffmanTable* table_of(const JHUFF_TBL* source, bool is_dc, int number);
  void copy_data(std::span<const uint8_t> stuffed);
  bool is_behind_end(const Bits& in) const;
  [[noreturn]] void give_up();

  Interface interface_{};  // first: libjpeg hands back a pointer to it
  std::jmp_buf* on_odd_data_ = nullptr;
  std::vector<uint8_t> data_;  // of the scan, without stuffing, and zeros behind it
  size_t data_size_ = 0;       // without the zeros
  Bits in_;
  std::array<Block, D_MAX_BLOCKS_IN_MCU> blocks_;
  int num_blocks_ = 0;
  std::array<int32_t, MAX_COMPS_IN_SCAN> last_dc_{};
  Columns wanted_;
  JDIMENSION column_ = 0;
  JDIMENSION num_columns_ = 0;
  std::array<HuffmanTable, NUM_HUFF_TBLS> dc_tables_;
  std::array<HuffmanTable, NUM_HUFF_TBLS> ac_tables_;
};

}  // namespace vim::data
