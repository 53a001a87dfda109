// A ScanCase laid out in memory as the kernels want it, and one call that runs them.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "kernels/selective_scan.h"
#include "tests/kernels/scan_oracle.h"

namespace vim::tests {

/// Calls kernel(rows) until [0, num_rows) is covered, in any order and pieces.
using RowSplitter =
    std::function<void(int64_t num_rows, const std::function<void(kernels::RowRange)>& kernel)>;

/// All rows in one call.
void run_in_one_piece(int64_t num_rows, const std::function<void(kernels::RowRange)>& kernel);

/// One row a call, from the last to the first, every call in a thread of its own.
void run_row_by_row(int64_t num_rows, const std::function<void(kernels::RowRange)>& kernel);

/// Rounds what the case stores in its dtype (and the rest to float), so that oracle and kernel see
/// the same.
Tensors round_to_storage(const ScanCase& scan, const Tensors& inputs);

/// Runs the forward of the selected backend: out, last_stateI.
Tensors run_scan_forward(
    const ScanCase& scan, const Tensors& inputs, const RowSplitter& split = run_in_one_piece);

/// Runs both backward phases: all gradients, and out, which the backward writes again. Throws
/// std::logic_error where a kernel wrote between the tokens of a padded view.
Tensors run_scan_backward(
    const ScanCase& scan, const Tensors& inputs, const RowSplitter& split = run_in_one_piece);

}  // namespace vim::tests
