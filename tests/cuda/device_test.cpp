#include "src/cuda/device.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "src/cuda/uploader.h"
#include "tests/support/catch.h"

namespace vim::cuda {
namespace {

TEST_CASE("without a device there is no name, no memory, and nothing to wait for") {
  if (is_available()) {
    WARN("skipped: this machine has a CUDA device");
    return;
  }
  CHECK(device_name().empty());
  CHECK(memory().total == 0);
  reset_peak_memory();
  synchronize();
  const StreamScope stream;
}

TEST_CASE("pinned memory can be written on any machine") {
  const auto bytes = allocate_pinned(1000);
  std::fill_n(bytes.get(), 1000, uint8_t{7});
  CHECK(bytes[999] == 7);
}

TEST_CASE("an upload to tensors on the host copies") {
  const std::vector<at::Tensor> host = {at::arange(5), at::ones({2, 3})};
  const std::vector<at::Tensor> targets = {
      at::zeros({5}, at::TensorOptions().dtype(at::kLong)), at::zeros({2, 3})};
  Uploader uploader;
  uploader.upload(host, targets);
  CHECK(at::equal(targets[0], host[0]));
  CHECK(at::equal(targets[1], host[1]));
}

TEST_CASE("uploads reach the device in order, whatever the host memory holds afterwards") {
  if (!is_available()) {
    WARN("skipped: no CUDA device");
    return;
  }
  const StreamScope stream;
  const at::Tensor target = at::zeros({1 << 20}, at::TensorOptions().device(at::kCUDA));
  const at::Tensor host = at::empty({1 << 20});
  at::Tensor sum = at::zeros({}, target.options());
  Uploader uploader;
  for (int i = 1; i <= 20; ++i) {
    host.fill_(i);
    uploader.upload({host}, {target});
    sum += target.mean();
  }
  CHECK(sum.item<float>() == 210.0F);
}

}  // namespace
}  // namespace vim::cuda
