// The arrays of a scan problem in the memory of a device.
#pragma once

#include <map>
#include <string>

#include "tests/kernels/scan_arrays.h"
#include "tests/support/kernel_device.h"

namespace vim::tests {

/// Replaces every pointer of a problem by its device mirror.
class ScanMirror {
 public:
  ScanMirror(const KernelDevice& device, ScanArrays& arrays) : arena_(device) {
    for (auto& [name, tokens] : arrays.tokens())
      map_[tokens.bytes().data()] = arena_.upload(tokens.bytes());
    for (auto& [name, values] : arrays.floats()) map_[values.data()] = arena_.upload(values);
  }

  DeviceArena& arena() { return arena_; }

  void translate(kernels::ScanParams& params) const {
    for (kernels::ScanDirection& direction : params.direction) {
      for (auto* view :
           {&direction.u, &direction.delta, &direction.B, &direction.C, &direction.dt_input}) {
        move(view->data);
      }
      move(direction.dt_weight);
      for (auto* floats : {&direction.A, &direction.D, &direction.delta_bias}) move(*floats);
      move(direction.last_state);
    }
    move(params.z.data);
    move(params.out.data);
    move(params.y.data);
  }

  void translate(kernels::ScanBackwardParams& params) const {
    translate(params.forward);
    move(params.dout.data);
    move(params.dz.data);
    for (kernels::ScanDirectionGrads& grads : params.grads) {
      for (auto* view : {&grads.du, &grads.ddelta, &grads.dB, &grads.dC}) move(view->data);
      for (auto* floats : {&grads.dA, &grads.dD, &grads.ddelta_bias}) move(*floats);
    }
  }

 private:
  template <typename T>
  void move(T*& pointer) const {
    if (pointer != nullptr) pointer = static_cast<T*>(map_.at(pointer));
  }

  DeviceArena arena_;
  std::map<const void*, void*> map_;
};

}  // namespace vim::tests
