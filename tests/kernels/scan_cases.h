// The scan's test cases, awkward sizes first, and how results are compared: what the tests of every
// backend and device share.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "tests/kernels/scan_oracle.h"

namespace vim::tests {

ScanCase sized(int64_t batch, int64_t seqlen, int64_t d_inner, int64_t d_state);

/// The case changed, with `what` in front of its name.
ScanCase with(ScanCase scan, const std::string& what, const std::function<void(ScanCase&)>& change);

void walk_both_ways(ScanCase& scan);

/// Both directions in bf16.
void model_like(ScanCase& scan);

std::vector<ScanCase> size_cases();
std::vector<ScanCase> option_cases();
std::vector<ScanCase> storage_cases();
std::vector<ScanCase> extreme_cases();
/// All of the above.
std::vector<ScanCase> all_scan_cases();

/// Of float storage, whose walks are 1,056 warps on a full device; 16 bits need 1,584.
ScanCase bundled_case();

/// So many warps by its cuts that they take a lane a channel.
ScanCase lane_chunks_case();

/// Where four or two lanes share a channel, with several tiles.
std::vector<ScanCase> team_cases();

/// Forms of the CUDA kernels that none of them reaches: few and many rows, few rows of a long
/// sequence, several segments, the model's own shape, more channel tiles than warps (the backward
/// then adds two of the three tiles of a group before it writes).
std::vector<ScanCase> device_form_cases();

/// max |a - b| / max |b|, as the golden data measure it; infinite where `actual` is not finite.
double relative_error(const std::vector<double>& actual, const std::vector<double>& expected);

/// One rounding to 16 bits costs half a unit in the last place of the largest value: 2^-9 or 2^-12
/// of it; twice that leaves room for a value near a rounding boundary. 0 for float.
double storage_tolerance(kernels::DType dtype);

/// True for the results that are float whatever the case's storage.
bool has_float_storage(const std::string& name);

}  // namespace vim::tests
