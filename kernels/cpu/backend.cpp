// Backend selection. A Highway target is forced by giving Highway a mock set of supported targets
// that holds only this one; the set detected on this machine must be read before the first such
// mock.
#include "kernels/backend.h"

#include <algorithm>
#include <atomic>

#include "hwy/highway.h"
#include "kernels/cpu/backend_state.h"

namespace vim::kernels {
namespace {

const char kScalarName[] = "scalar";

// Makes HWY_DYNAMIC_DISPATCH pick `target`; 0 stands for the scalar specification.
void activate(int64_t target) {
  if (target != 0) {
    hwy::SetSupportedTargetsForTest(target);
    hwy::GetChosenTarget().Update(target);
  }
}

struct BackendState {
  // Compiled in and supported here, from narrow to wide: in Highway a better target has a lower
  // bit.
  std::vector<int64_t> targets;
  std::atomic<int64_t> selected{0};

  BackendState() : targets(hwy::SupportedAndGeneratedTargets()) {
    std::reverse(targets.begin(), targets.end());
    // Highway's own one-lane target matters only where nothing else is left.
    if (targets.size() > 1) {
      targets.erase(std::remove(targets.begin(), targets.end(), HWY_SCALAR), targets.end());
    }
    select(targets.back());
  }

  void select(int64_t target) {
    activate(target);
    selected.store(target);
  }
};

BackendState& backend_state() {
  static BackendState state;
  return state;
}

}  // namespace

std::vector<std::string> cpu_backends() {
  std::vector<std::string> names = {kScalarName};
  for (const int64_t target : backend_state().targets) {
    names.emplace_back(hwy::TargetName(target));
  }
  return names;
}

bool select_cpu_backend(const std::string& name) {
  BackendState& state = backend_state();
  if (name == kScalarName) {
    state.select(0);
    return true;
  }
  for (const int64_t target : state.targets) {
    if (name == hwy::TargetName(target)) {
      state.select(target);
      return true;
    }
  }
  return false;
}

std::string current_cpu_backend() {
  const int64_t target = backend_state().selected.load();
  return target == 0 ? kScalarName : hwy::TargetName(target);
}

bool scalar_backend_selected() { return backend_state().selected.load() == 0; }

}  // namespace vim::kernels
