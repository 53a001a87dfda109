// Streams and events through LibTorch's registry of devices, so nothing here links libtorch_cuda.
#include "src/ops/aside.h"

#include <ATen/ATen.h>
#include <c10/core/Event.h>
#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <array>
#include <deque>
#include <optional>
#include <utility>

namespace vim::ops {
namespace {

using c10::impl::VirtualGuardImpl;

c10::Event recorded(const c10::Stream& stream) {
  c10::Event event(stream.device_type());
  event.record(stream);
  return event;
}

// What is aside of one device's current stream.
struct Aside {
  bool is_open = false;
  size_t most_under_way = 0;
  std::optional<c10::Stream> stream;  // the same in all scopes: libraries keep memory for each
  std::deque<std::pair<c10::Event, std::vector<at::Tensor>>> under_way;

  // The inputs of what the current stream has waited for may be freed: it is the one that uses
  // their memory again.
  void wait(const c10::Stream& current, size_t left) {
    while (under_way.size() > left) {
      under_way.front().first.block(current);
      under_way.pop_front();
    }
  }
};

// A backward runs in another thread than its scope, which meanwhile waits for it.
Aside& aside_of(const at::Device& device) {
  constexpr size_t kMostDevices = 64;
  static auto* all = new std::array<Aside, kMostDevices>();  // outlives what ends the devices
  return all->at(static_cast<size_t>(device.index()));
}

}  // namespace

AsideScope::AsideScope(const at::Device& device, size_t most_under_way) : device_(device) {
  if (device_.is_cpu()) {
    return;
  }
  Aside& aside = aside_of(device_);
  TORCH_CHECK(!aside.is_open, "AsideScope: there is one already for ", device_);
  aside.is_open = true;
  aside.most_under_way = most_under_way;
  if (!aside.stream) {
    const VirtualGuardImpl devices(device_.type());
    aside.stream = devices.getStreamFromGlobalPool(device_, /*isHighPriority=*/false);
  }
}

AsideScope::~AsideScope() {
  if (!device_.is_cpu()) {
    aside_of(device_).under_way.clear();
    aside_of(device_).is_open = false;
  }
}

void AsideScope::join() {
  if (!device_.is_cpu()) {
    aside_of(device_).wait(VirtualGuardImpl(device_.type()).getStream(device_), 0);
  }
}

void run_aside(const std::vector<at::Tensor>& inputs, const std::function<void()>& work) {
  const at::Device device = inputs[0].device();
  if (device.is_cpu() || !aside_of(device).is_open) {
    work();
    return;
  }
  Aside& aside = aside_of(device);
  const c10::Stream current = VirtualGuardImpl(device.type()).getStream(device);
  recorded(current).block(*aside.stream);
  {
    const c10::StreamGuard guard(*aside.stream);
    work();
  }
  aside.under_way.emplace_back(recorded(*aside.stream), inputs);
  aside.wait(current, aside.most_under_way);
}

}  // namespace vim::ops
