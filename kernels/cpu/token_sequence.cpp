// Patches and tokens on the CPU: copies of rows, so one version, which the compiler may vectorise.
#include "kernels/token_sequence.h"

#include "kernels/cpu/check.h"
#include "kernels/storage.h"

namespace vim::kernels {
namespace {

void check_sequence(const TokenSequence& sequence) {
  check_between("token_sequence: batch", sequence.batch, 1, kUnlimited);
  check_between("token_sequence: num_patches", sequence.num_patches, 1, kUnlimited);
  check_between("token_sequence: channels", sequence.channels, 1, kUnlimited);
  check_between("token_sequence: num_cls_tokens", sequence.num_cls_tokens, 0, kMaxClsTokens);
  int64_t lowest = 0;
  for (int i = 0; i < sequence.num_cls_tokens; ++i) {
    const int64_t slot = sequence.cls_slots[i];
    check_between("token_sequence: cls_slots", slot, lowest, sequence.num_tokens() - 1);
    lowest = slot + 1;
  }
}

// Calls visit(token, which class token or -1, patch) for each token of a sequence, in order.
template <typename Visit>
void for_each_token(const TokenSequence& sequence, Visit visit) {
  int next = 0;
  for (int64_t token = 0; token < sequence.num_tokens(); ++token) {
    const bool is_cls = next < sequence.num_cls_tokens && sequence.cls_slots[next] == token;
    visit(token, is_cls ? next : -1, token - next);
    next += is_cls ? 1 : 0;
  }
}

template <typename T>
void add_row(const T* token, const float* added, int64_t channels, float* out) {
  for (int64_t c = 0; c < channels; ++c) {
    out[c] = added == nullptr ? to_float(token[c]) : to_float(token[c]) + added[c];
  }
}

template <typename T>
void write_image(const TokenSequenceParams& params, int64_t image) {
  const int64_t channels = params.channels;
  const T* patches = static_cast<const T*>(params.patches) + image * params.num_patches * channels;
  float* out = params.out + image * params.num_tokens() * channels;
  for_each_token(params, [&](int64_t token, int cls, int64_t patch) {
    const float* added =
        params.pos_embed == nullptr ? nullptr : params.pos_embed + token * channels;
    if (cls >= 0) {
      add_row(params.cls_tokens[cls], added, channels, out + token * channels);
    } else {
      add_row(patches + patch * channels, added, channels, out + token * channels);
    }
  });
}

template <typename T>
void write_image_backward(const TokenSequenceBackwardParams& params, int64_t image) {
  const int64_t channels = params.channels;
  const float* dout = params.dout + image * params.num_tokens() * channels;
  T* dpatches = static_cast<T*>(params.dpatches) + image * params.num_patches * channels;
  for_each_token(params, [&](int64_t token, int cls, int64_t patch) {
    for (int64_t c = 0; cls < 0 && c < channels; ++c) {
      dpatches[patch * channels + c] = from_float<T>(dout[token * channels + c]);
    }
  });
}

}  // namespace

void check_token_sequence(const TokenSequenceParams& params) {
  check_sequence(params);
  check_present("token_sequence: patches", params.patches);
  check_present("token_sequence: out", params.out);
  for (int i = 0; i < params.num_cls_tokens; ++i) {
    check_present("token_sequence: cls_tokens", params.cls_tokens[i]);
  }
}

void check_token_sequence_backward(const TokenSequenceBackwardParams& params) {
  check_sequence(params);
  check_present("token_sequence: dout", params.dout);
  check_present("token_sequence: dpatches", params.dpatches);
}

int64_t token_sequence_num_rows(const TokenSequence& sequence) { return sequence.batch; }

void token_sequence(const TokenSequenceParams& params, RowRange rows) {
  check_token_sequence(params);
  check_rows("token_sequence", rows, token_sequence_num_rows(params));
  visit_dtype(params.dtype, [&](auto tag) {
    for (int64_t image = rows.begin; image < rows.end; ++image) {
      write_image<decltype(tag)>(params, image);
    }
  });
}

void token_sequence_backward(const TokenSequenceBackwardParams& params, RowRange rows) {
  check_token_sequence_backward(params);
  check_rows("token_sequence", rows, token_sequence_num_rows(params));
  visit_dtype(params.dtype, [&](auto tag) {
    for (int64_t image = rows.begin; image < rows.end; ++image) {
      write_image_backward<decltype(tag)>(params, image);
    }
  });
}

}  // namespace vim::kernels
