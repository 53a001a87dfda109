// cuBLAS takes the first algorithm of cuBLASLt's list. For products with many rows and few columns
// that is most often one by tiles of 192 x 192. Tiles of 128 x 128 or 128 x 160 in clusters of two
// were faster in every case measured, by 4 to 20 %, where the list holds them, or the list for a
// similar number of rows does: they serve any number. Else the first algorithm's other custom
// option is, for a right side that is not transposed, by up to 12 %. Only algorithms without a
// workspace are asked for: others begin by clearing it.
#include <ATen/ATen.h>
#include <ATen/cuda/CUDAContext.h>
#include <ATen/cuda/CUDADataType.h>
#include <ATen/cuda/Exceptions.h>
#include <c10/cuda/CUDAGuard.h>
#include <cublasLt.h>

#include <array>
#include <compare>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "src/cuda/matmul.h"

namespace vim::cuda {
namespace {

constexpr int kMeasuredCapability = 9;
constexpr uint32_t kAlignment = 16;  // of addresses and rows, in bytes
constexpr int kMaxCandidates = 16;
constexpr int64_t kTileRows = 128;
// From so many rows on an algorithm from the list for one of kKnownRows was faster, too.
constexpr int64_t kManyRows = 6000;
constexpr std::array<int64_t, 2> kKnownRows = {12608, 25216};

// The library's objects end with their owner.
template <auto kDestroy>
struct Destroyer {
  template <typename T>
  void operator()(T* object) const {
    kDestroy(object);
  }
};
using Operation = std::unique_ptr<cublasLtMatmulDescOpaque_t, Destroyer<cublasLtMatmulDescDestroy>>;
using Layout =
    std::unique_ptr<cublasLtMatrixLayoutOpaque_t, Destroyer<cublasLtMatrixLayoutDestroy>>;
using Preference =
    std::unique_ptr<cublasLtMatmulPreferenceOpaque_t, Destroyer<cublasLtMatmulPreferenceDestroy>>;

// All that the choice of an algorithm may depend on. Rows of `left` lie one behind another;
// `right` too, or it is such a matrix transposed. Strides in elements from row to row.
struct Product {
  int64_t rows;
  int64_t inner;
  int64_t columns;
  int64_t left_stride;
  int64_t right_stride;
  bool is_right_transposed;
  at::ScalarType type;
  int device;

  auto operator<=>(const Product&) const = default;
};

bool is_aligned(const at::Tensor& matrix, int64_t stride) {
  const auto unit = static_cast<int64_t>(kAlignment / matrix.element_size());
  return stride % unit == 0 &&
         reinterpret_cast<uintptr_t>(matrix.const_data_ptr()) % kAlignment == 0;
}

// The product as cuBLASLt can take it; nothing for types, devices and layouts nobody measured.
std::optional<Product> describe(const at::Tensor& left, const at::Tensor& right) {
  const at::ScalarType type = left.scalar_type();
  const bool is_known = left.is_cuda() && right.device() == left.device() &&
                        right.scalar_type() == type && (type == at::kBFloat16 || type == at::kHalf);
  if (!is_known || left.numel() == 0 || right.numel() == 0 || left.stride(1) != 1 ||
      at::cuda::getDeviceProperties(left.get_device())->major != kMeasuredCapability) {
    return std::nullopt;
  }
  const bool is_transposed = right.stride(0) == 1 && right.stride(1) >= right.size(0);
  const int64_t right_stride = right.stride(is_transposed ? 1 : 0);
  if ((!is_transposed && right.stride(1) != 1) || !is_aligned(left, left.stride(0)) ||
      !is_aligned(right, right_stride) || right.size(1) * left.element_size() % kAlignment != 0) {
    return std::nullopt;
  }
  return Product{
      left.size(0),
      left.size(1),
      right.size(1),
      left.stride(0),
      right_stride,
      is_transposed,
      type,
      left.get_device()};
}

Layout make_layout(at::ScalarType type, int64_t size, int64_t num_runs, int64_t stride) {
  cublasLtMatrixLayout_t layout = nullptr;
  TORCH_CUDABLAS_CHECK(cublasLtMatrixLayoutCreate(
      &layout,
      at::cuda::ScalarTypeToCudaDataType(type),
      static_cast<uint64_t>(size),
      static_cast<uint64_t>(num_runs),
      stride));
  return Layout(layout);
}

// Without memory of its own, so that nothing is shared between streams.
Preference make_preference() {
  cublasLtMatmulPreference_t made = nullptr;
  TORCH_CUDABLAS_CHECK(cublasLtMatmulPreferenceCreate(&made));
  Preference preference(made);
  const auto set = [&](cublasLtMatmulPreferenceAttributes_t name, const auto& value) {
    TORCH_CUDABLAS_CHECK(
        cublasLtMatmulPreferenceSetAttribute(preference.get(), name, &value, sizeof(value)));
  };
  set(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, size_t{0});
  set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, kAlignment);
  set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, kAlignment);
  set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, kAlignment);
  set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, kAlignment);
  return preference;
}

template <typename T>
T setting(const cublasLtMatmulAlgo_t& algorithm, cublasLtMatmulAlgoConfigAttributes_t name) {
  T value{};
  size_t written = 0;
  TORCH_CUDABLAS_CHECK(
      cublasLtMatmulAlgoConfigGetAttribute(&algorithm, name, &value, sizeof(value), &written));
  return value;
}

template <typename T>
void set(cublasLtMatmulAlgo_t& algorithm, cublasLtMatmulAlgoConfigAttributes_t name, T value) {
  TORCH_CUDABLAS_CHECK(
      cublasLtMatmulAlgoConfigSetAttribute(&algorithm, name, &value, sizeof(value)));
}

// The wider tile loses where the product has fewer columns than it has factors to sum.
bool has_fast_tile(const cublasLtMatmulAlgo_t& algorithm, const Product& product) {
  const auto tile = setting<uint32_t>(algorithm, CUBLASLT_ALGO_CONFIG_TILE_ID);
  const bool is_fast = tile == CUBLASLT_MATMUL_TILE_128x128 ||
                       (tile == CUBLASLT_MATMUL_TILE_128x160 && product.columns > product.inner);
  return is_fast && setting<int32_t>(algorithm, CUBLASLT_ALGO_CONFIG_SPLITK_NUM) <= 1 &&
         setting<uint16_t>(algorithm, CUBLASLT_ALGO_CONFIG_CLUSTER_SHAPE_ID) ==
             CUBLASLT_CLUSTER_SHAPE_2x1x1;
}

// The algorithm by large tiles with the custom option that the library leaves out, where there is
// one: an even option's odd neighbour.
std::optional<cublasLtMatmulAlgo_t> with_other_option(
    cublasLtMatmulAlgo_t algorithm, const Product& product) {
  const auto option = setting<uint32_t>(algorithm, CUBLASLT_ALGO_CONFIG_CUSTOM_OPTION);
  const bool is_known =
      setting<uint32_t>(algorithm, CUBLASLT_ALGO_CONFIG_TILE_ID) == CUBLASLT_MATMUL_TILE_192x192;
  if (!is_known || product.is_right_transposed || option % 2 != 0) {
    return std::nullopt;
  }
  set(algorithm, CUBLASLT_ALGO_CONFIG_CUSTOM_OPTION, option + 1);
  return algorithm;
}

// The matrices of a product as cuBLASLt sees them: columns first, so all are transposed and change
// sides.
struct Layouts {
  Layout left;
  Layout right;
  Layout out;

  Layouts(const Product& product, int64_t rows)
      : left(make_layout(product.type, product.inner, rows, product.left_stride)),
        right(make_layout(
            product.type,
            product.is_right_transposed ? product.inner : product.columns,
            product.is_right_transposed ? product.columns : product.inner,
            product.right_stride)),
        out(make_layout(product.type, product.columns, rows, product.columns)) {}
};

// Counts of rows whose lists may hold an algorithm for the product: its own, multiples of the tile
// beside it, and some that were measured.
std::vector<int64_t> rows_to_ask_for(int64_t rows) {
  const int64_t below = rows / kTileRows * kTileRows;
  std::vector<int64_t> result = {rows};
  if (below < rows) result.push_back(below + kTileRows);
  if (below < rows && below > 0) result.push_back(below);
  if (rows >= kManyRows) result.insert(result.end(), kKnownRows.begin(), kKnownRows.end());
  return result;
}

// A product with the algorithm for it.
class Plan {
 public:
  explicit Plan(const Product& product) : layouts_(product, product.rows) {
    cublasLtMatmulDesc_t made = nullptr;
    TORCH_CUDABLAS_CHECK(cublasLtMatmulDescCreate(&made, CUBLAS_COMPUTE_32F, CUDA_R_32F));
    operation_.reset(made);
    const cublasOperation_t right = product.is_right_transposed ? CUBLAS_OP_T : CUBLAS_OP_N;
    TORCH_CUDABLAS_CHECK(cublasLtMatmulDescSetAttribute(
        operation_.get(), CUBLASLT_MATMUL_DESC_TRANSA, &right, sizeof(right)));
    choose(product);
  }

  /// Whether an algorithm is known that is faster than cuBLAS's own choice.
  bool has_algorithm() const { return algorithm_.has_value(); }

  void run(const at::Tensor& left, const at::Tensor& right, const at::Tensor& out) const {
    const float one = 1.0F;
    const float zero = 0.0F;
    void* sum = out.mutable_data_ptr();
    TORCH_CUDABLAS_CHECK(cublasLtMatmul(
        at::cuda::getCurrentCUDABlasLtHandle(),
        operation_.get(),
        &one,
        right.const_data_ptr(),
        layouts_.right.get(),
        left.const_data_ptr(),
        layouts_.left.get(),
        &zero,
        sum,
        layouts_.out.get(),
        sum,
        layouts_.out.get(),
        &*algorithm_,
        /*workspace=*/nullptr,
        /*workspaceSizeInBytes=*/0,
        at::cuda::getCurrentCUDAStream()));
  }

 private:
  using Candidates = std::vector<cublasLtMatmulHeuristicResult_t>;

  void choose(const Product& product) {
    const Candidates own = ask_for(product, product.rows);
    for (const int64_t rows : rows_to_ask_for(product.rows)) {
      const Candidates candidates = rows == product.rows ? own : ask_for(product, rows);
      for (const auto& candidate : candidates) {
        if (candidate.state == CUBLAS_STATUS_SUCCESS && has_fast_tile(candidate.algo, product) &&
            (rows == product.rows || check(candidate.algo))) {
          algorithm_ = candidate.algo;
          return;
        }
      }
    }
    const auto other = own.empty() ? std::nullopt : with_other_option(own[0].algo, product);
    if (other) {
      const auto checked = check(*other);
      if (checked && checked->workspaceSize == 0) algorithm_ = other;
    }
  }

  // cuBLASLt's list for a product like this one of so many rows. One without candidates is
  // cuBLAS's to refuse.
  Candidates ask_for(const Product& product, int64_t rows) const {
    const Layouts layouts(product, rows);
    Candidates candidates(kMaxCandidates);
    int count = 0;
    cublasLtMatmulAlgoGetHeuristic(
        at::cuda::getCurrentCUDABlasLtHandle(),
        operation_.get(),
        layouts.right.get(),
        layouts.left.get(),
        layouts.out.get(),
        layouts.out.get(),
        make_preference().get(),
        kMaxCandidates,
        candidates.data(),
        &count);
    candidates.resize(static_cast<size_t>(count));
    return candidates;
  }

  // What cuBLASLt says of an algorithm that is not of the product's own list; nothing if it
  // refuses.
  std::optional<cublasLtMatmulHeuristicResult_t> check(
      const cublasLtMatmulAlgo_t& algorithm) const {
    cublasLtMatmulHeuristicResult_t result{};
    const auto status = cublasLtMatmulAlgoCheck(
        at::cuda::getCurrentCUDABlasLtHandle(),
        operation_.get(),
        layouts_.right.get(),
        layouts_.left.get(),
        layouts_.out.get(),
        layouts_.out.get(),
        &algorithm,
        &result);
    return status == CUBLAS_STATUS_SUCCESS ? std::optional(result) : std::nullopt;
  }

  Layouts layouts_;
  Operation operation_;
  std::optional<cublasLtMatmulAlgo_t> algorithm_;
};

// Made once for each product, kept to the end; plans may be used by several threads.
const Plan& plan_for(const Product& product) {
  static std::mutex mutex;
  static std::map<Product, Plan> plans;
  const std::lock_guard lock(mutex);
  return plans.try_emplace(product, product).first->second;
}

}  // namespace

at::Tensor matmul(const at::Tensor& left, const at::Tensor& right) {
  TORCH_CHECK(
      left.dim() == 2 && right.dim() == 2 && left.size(1) == right.size(0),
      "matmul: expected (rows, inner) and (inner, columns), got ",
      left.sizes(),
      " and ",
      right.sizes());
  const std::optional<Product> product = describe(left, right);
  if (!product) {
    return at::mm(left, right);
  }
  const c10::cuda::CUDAGuard guard(left.device());
  const Plan& plan = plan_for(*product);
  if (!plan.has_algorithm()) {
    return at::mm(left, right);
  }
  const at::Tensor out = at::empty({product->rows, product->columns}, left.options());
  plan.run(left, right, out);
  return out;
}

}  // namespace vim::cuda
