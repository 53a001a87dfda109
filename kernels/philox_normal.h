// Standard normal numbers from a counter: Philox-4x32-10 (Salmon et al. 2011, "Parallel random
// numbers: as easy as 1, 2, 3") and the Box-Muller transform (Box & Muller 1958). Every float
// operation is exact or correctly rounded and no product meets a sum but in a spelt-out fmaf, so
// host and device give the same bits, whatever their maths library and compiler.
#pragma once

#include <cmath>
#include <cstdint>

#include "kernels/storage.h"

namespace vim::kernels {

/// One output of Philox: four words, uniform and independent.
struct PhiloxBlock {
  uint32_t words[4];
};

/// Ten rounds on one counter; the same function as core::philox_4x32, which device code cannot use.
VIM_HOST_DEVICE inline PhiloxBlock philox_block(PhiloxBlock counter, uint32_t key0, uint32_t key1) {
  for (int round = 0; round < 10; ++round) {
    const uint64_t product0 = uint64_t{0xD2511F53} * counter.words[0];
    const uint64_t product1 = uint64_t{0xCD9E8D57} * counter.words[2];
    counter = {
        {static_cast<uint32_t>(product1 >> 32) ^ counter.words[1] ^ key0,
         static_cast<uint32_t>(product1),
         static_cast<uint32_t>(product0 >> 32) ^ counter.words[3] ^ key1,
         static_cast<uint32_t>(product0)}};
    key0 += 0x9E3779B9U;
    key1 += 0xBB67AE85U;
  }
  return counter;
}

/// -ln(word / 2^32) for word >= 1, 0 where the word rounds to 2^32; within 3e-7 of itself. With
/// word = m 2^e, m in [sqrt(1/2), sqrt(2)): ln m is odd in s = (m - 1) / (m + 1), and a minimax
/// polynomial in s^2.
VIM_HOST_DEVICE inline float negative_log_unit(uint32_t word) {
  constexpr uint32_t kRootHalf = 0x3F3504F3U;  // the bits of sqrt(1/2)
  const uint32_t above = float_bits(static_cast<float>(word)) - kRootHalf;
  const float m = float_from_bits((above & 0x007FFFFFU) + kRootHalf);
  const float exponent = static_cast<float>(static_cast<int32_t>(above >> 23) - 32);
  const float s = (m - 1.0F) / (m + 1.0F);
  const float q = s * s;
  float p = fmaf(0.299265146F, q, 0.399747568F);
  p = fmaf(p, q, 0.666668164F);
  p = fmaf(p, q, 2.0F);
  return fmaf(-exponent, 0.693147181F, -(s * p));
}

/// Cosine (is_sine false) or sine of 2 pi word / 2^32, within 2e-7: the quarter turn nearest to the
/// angle, and minimax polynomials of the rest, in quarter turns within [-1/2, 1/2].
VIM_HOST_DEVICE inline float turn_wave(uint32_t word, bool is_sine) {
  const uint32_t quarter = (word + 0x20000000U) >> 30;
  const float t = static_cast<float>(static_cast<int32_t>(word - (quarter << 30))) * 0x1p-30F;
  const float q = t * t;
  const uint32_t phase = (quarter + (is_sine ? 3U : 0U)) & 3U;  // sin x = cos(x - a quarter turn)
  float wave;
  if (phase % 2 == 0) {
    wave = fmaf(-0.0204262503F, q, 0.253606362F);
    wave = fmaf(wave, q, -1.23369795F);
    wave = fmaf(wave, q, 1.0F);
  } else {
    wave = fmaf(-0.00460217699F, q, 0.0796802281F);
    wave = fmaf(wave, q, -0.645963479F);
    wave = t * fmaf(wave, q, 1.57079632F);
  }
  return phase == 1 || phase == 2 ? -wave : wave;
}

/// Standard normal number `index`, 0 to 3, of a block, at most 6.7 in size. Independent of the
/// others of the block.
VIM_HOST_DEVICE inline float normal_of(const PhiloxBlock& block, int index) {
  const uint32_t first = index < 2 ? block.words[0] : block.words[2];
  const uint32_t second = index < 2 ? block.words[1] : block.words[3];
  const float radius = sqrtf(2.0F * negative_log_unit(first | 1U));  // | 1: ln 0 is no number
  return radius * turn_wave(second, index % 2 == 1);
}

}  // namespace vim::kernels
