// The compression function over padded blocks of 64 bytes. The round constants are the first 32
// bits of the fractional parts of primes' cube roots, the initial state those of square roots.
#include "tests/support/sha256.h"

#include <algorithm>
#include <array>
#include <bit>
#include <vector>

namespace vim::test {
namespace {

using State = std::array<uint32_t, 8>;
using Words = std::array<uint32_t, 64>;

std::array<uint32_t, 64> first_primes() {
  std::array<uint32_t, 64> primes{};
  size_t count = 0;
  for (uint32_t candidate = 2; count < primes.size(); ++candidate) {
    const bool is_prime = std::all_of(primes.begin(), primes.begin() + count, [=](uint32_t prime) {
      return candidate % prime != 0;
    });
    if (is_prime) {
      primes[count++] = candidate;
    }
  }
  return primes;
}

// floor(2^32 * value^(1/degree)) mod 2^32 by bisection in whole numbers: degree 2 or 3, value <
// 312.
uint32_t root_fraction(uint32_t value, int degree) {
  using Wide = unsigned __int128;
  uint64_t low = 0;
  uint64_t high = uint64_t{1} << 37;
  while (high - low > 1) {
    const uint64_t middle = low + (high - low) / 2;
    Wide power = middle;
    for (int i = 1; i < degree; ++i) {
      power *= middle;
    }
    (power <= Wide{value} << (32 * degree) ? low : high) = middle;
  }
  return static_cast<uint32_t>(low);
}

const Words& round_constants() {
  static const Words constants = [] {
    Words words = first_primes();
    for (uint32_t& word : words) {
      word = root_fraction(word, 3);
    }
    return words;
  }();
  return constants;
}

Words expand(const uint8_t* block) {
  Words words{};
  for (size_t i = 0; i < 16; ++i, block += 4) {
    words[i] = uint32_t{block[0]} << 24 | uint32_t{block[1]} << 16 | uint32_t{block[2]} << 8 |
               uint32_t{block[3]};
  }
  for (size_t i = 16; i < words.size(); ++i) {
    const uint32_t a = words[i - 15];
    const uint32_t b = words[i - 2];
    const uint32_t mixed_a = std::rotr(a, 7) ^ std::rotr(a, 18) ^ (a >> 3);
    const uint32_t mixed_b = std::rotr(b, 17) ^ std::rotr(b, 19) ^ (b >> 10);
    words[i] = words[i - 16] + mixed_a + words[i - 7] + mixed_b;
  }
  return words;
}

void compress(State& state, const uint8_t* block) {
  const Words words = expand(block);
  State s = state;
  for (size_t i = 0; i < words.size(); ++i) {
    const uint32_t sum_e = std::rotr(s[4], 6) ^ std::rotr(s[4], 11) ^ std::rotr(s[4], 25);
    const uint32_t choice = (s[4] & s[5]) ^ (~s[4] & s[6]);
    const uint32_t first = s[7] + sum_e + choice + round_constants()[i] + words[i];
    const uint32_t sum_a = std::rotr(s[0], 2) ^ std::rotr(s[0], 13) ^ std::rotr(s[0], 22);
    const uint32_t majority = (s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]);
    s = {first + sum_a + majority, s[0], s[1], s[2], s[3] + first, s[4], s[5], s[6]};
  }
  for (size_t i = 0; i < state.size(); ++i) {
    state[i] += s[i];
  }
}

// What does not fill a block, a one bit, zeros and the length in bits.
std::vector<uint8_t> padded_tail(std::span<const uint8_t> bytes) {
  const std::span<const uint8_t> rest = bytes.last(bytes.size() % 64);
  std::vector<uint8_t> tail(rest.begin(), rest.end());
  tail.push_back(0x80);
  tail.resize(tail.size() <= 56 ? 56 : 120);
  for (int shift = 56; shift >= 0; shift -= 8) {
    tail.push_back(static_cast<uint8_t>(uint64_t{bytes.size()} * 8 >> shift));
  }
  return tail;
}

}  // namespace

std::string sha256_hex(std::span<const uint8_t> bytes) {
  State state{};
  for (size_t i = 0; i < state.size(); ++i) {
    state[i] = root_fraction(first_primes()[i], 2);
  }
  for (size_t i = 0; i + 64 <= bytes.size(); i += 64) {
    compress(state, bytes.data() + i);
  }
  const std::vector<uint8_t> tail = padded_tail(bytes);
  for (size_t i = 0; i < tail.size(); i += 64) {
    compress(state, tail.data() + i);
  }
  std::string text;
  for (const uint32_t word : state) {
    for (int shift = 28; shift >= 0; shift -= 4) {
      text += "0123456789abcdef"[word >> shift & 15];
    }
  }
  return text;
}

}  // namespace vim::test
