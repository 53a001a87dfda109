// Checks, launches and autograd of the selective scan.
#include "src/ops/selective_scan.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include "kernels/selective_scan.h"
#include "src/ops/aside.h"
#include "src/ops/device_call.h"
#include "src/ops/kernel_args.h"
#include "src/ops/optional_tensors.h"
#include "src/ops/scan_launch.h"

namespace vim::ops {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr size_t kNumTensors = 8;  // of the autograd node

void check_branch(const std::string& op, const ScanBranch& branch, const ScanBranch& first) {
  const at::Tensor& u = first.u;
  const int64_t d_inner = u.size(2);
  const int64_t d_state = first.A.size(1);
  const int64_t columns = first.B.size(-1);
  const at::ScalarType dtype = u.scalar_type();
  check_tokens(op + ": u", branch.u, u.sizes(), dtype);
  check_tokens(op + ": delta", branch.delta, u.sizes(), dtype);
  check_tokens(op + ": B", branch.B, {u.size(0), u.size(1), columns}, dtype);
  check_tokens(op + ": C", branch.C, {u.size(0), u.size(1), columns}, dtype);
  check_float(op + ": A", branch.A, {d_inner, d_state});
  if (branch.D.defined()) {
    check_float(op + ": D", branch.D, {d_inner});
  }
  if (branch.delta_bias.defined()) {
    check_float(op + ": delta_bias", branch.delta_bias, {d_inner});
  }
  check_one_device(
      op, {u, branch.u, branch.delta, branch.B, branch.C, branch.A, branch.D, branch.delta_bias});
}

kernels::ScanParams make_params(const std::vector<ScanBranch>& branches, const ScanShared& shared) {
  const ScanBranch& first = branches[0];
  kernels::ScanParams params;
  params.batch = first.u.size(0);
  params.seqlen = first.u.size(1);
  params.d_inner = first.u.size(2);
  params.d_state = first.A.size(1);
  params.groups = first.B.size(2) / params.d_state;
  params.dtype = kernel_dtype(first.u.scalar_type());
  params.delta_softplus = shared.delta_softplus;
  params.scale = static_cast<float>(shared.scale);
  params.num_directions = static_cast<int>(branches.size());
  params.z = token_view(shared.z);
  params.y = mutable_token_view(shared.ungated);
  if (shared.kept_states.defined()) {
    params.kept_states = shared.kept_states.mutable_data_ptr();
  }
  for (size_t i = 0; i < branches.size(); ++i) {
    const ScanBranch& branch = branches[i];
    kernels::ScanDirection& direction = params.direction[i];
    direction.u = token_view(branch.u);
    direction.delta = token_view(branch.delta);
    direction.B = token_view(branch.B);
    direction.C = token_view(branch.C);
    direction.A = float_data(branch.A);
    direction.D = float_data(branch.D);
    direction.delta_bias = float_data(branch.delta_bias);
    direction.reversed = branch.reversed;
    if (!branch.delta.defined()) {
      params.dt_rank = branch.dt_weight.size(1);
      direction.dt_input = token_view(branch.dt_input);
      direction.dt_weight = branch.dt_weight.const_data_ptr();
    }
  }
  return params;
}

void allocate_missing(const ScanBranch& branch, ScanBranchGrads& grads) {
  const auto like = [](const at::Tensor& tensor) {
    return tensor.defined() ? at::empty(tensor.sizes(), tensor.options()) : at::Tensor();
  };
  const auto allocate = [&like](at::Tensor& grad, const at::Tensor& tensor) {
    if (!grad.defined()) {
      grad = like(tensor);
    }
  };
  allocate(grads.du, branch.u);
  allocate(grads.ddelta, branch.delta);
  allocate(grads.dB, branch.B);
  allocate(grads.dC, branch.C);
  allocate(grads.dA, branch.A);
  allocate(grads.dD, branch.D);
  allocate(grads.ddelta_bias, branch.delta_bias);
}

kernels::ScanDirectionGrads grad_pointers(const ScanBranchGrads& grads) {
  kernels::ScanDirectionGrads pointers;
  pointers.du = mutable_token_view(grads.du);
  pointers.ddelta = mutable_token_view(grads.ddelta);
  pointers.dB = mutable_token_view(grads.dB);
  pointers.dC = mutable_token_view(grads.dC);
  pointers.dA = float_data(grads.dA);
  pointers.dD = float_data(grads.dD);
  pointers.ddelta_bias = float_data(grads.ddelta_bias);
  return pointers;
}

void launch_forward(const at::Tensor& u, kernels::ScanParams& params) {
  const DeviceCall call(u);
  if (call.is_on_device()) {
    const at::Tensor workspace = make_workspace(
        call.entry(&kernels::DeviceEntries::selective_scan_forward_workspace_size)(params), u);
    params.workspace = workspace.mutable_data_ptr();
    call.entry (&kernels::DeviceEntries::selective_scan_forward)(params, call.stream());
    return;
  }
  parallel_rows(kernels::selective_scan_num_rows(params), [&params](kernels::RowRange rows) {
    kernels::selective_scan_forward(params, rows);
  });
}

// factors: the tensors beside the workspace that the sums over the batch read.
void launch_backward(
    const at::Tensor& u,
    kernels::ScanBackwardParams& params,
    std::vector<at::Tensor> factors,
    bool sums_may_wait) {
  const DeviceCall call(u);
  if (call.is_on_device()) {
    const at::Tensor workspace = make_workspace(
        call.entry(&kernels::DeviceEntries::selective_scan_backward_workspace_size)(params), u);
    params.workspace = workspace.mutable_data_ptr();
    call.entry (&kernels::DeviceEntries::selective_scan_backward)(params, call.stream());
    factors.insert(factors.begin(), workspace);
    run_reduce(
        sums_may_wait, factors, &kernels::DeviceEntries::selective_scan_backward_reduce, params);
    return;
  }
  const at::Tensor workspace =
      make_workspace(kernels::selective_scan_backward_workspace_size(params), u);
  params.workspace = workspace.mutable_data_ptr();
  parallel_rows(
      kernels::selective_scan_num_rows(params.forward),
      [&params](kernels::RowRange rows) { kernels::selective_scan_backward(params, rows); });
  parallel_rows(
      kernels::selective_scan_backward_reduce_num_rows(params),
      [&params](kernels::RowRange rows) { kernels::selective_scan_backward_reduce(params, rows); });
}

class SelectiveScanFunction : public torch::autograd::Function<SelectiveScanFunction> {
 public:
  // tensors: those of u, delta, A, B, C, D, z, delta_bias that are defined, at these places.
  static variable_list forward(
      AutogradContext* context,
      at::TensorList defined,
      const std::vector<int64_t>& places,
      bool delta_softplus,
      bool reversed) {
    const variable_list tensors = scatter(defined, places, kNumTensors);
    context->save_for_backward(tensors);
    context->saved_data["places"] = places;
    context->saved_data["delta_softplus"] = delta_softplus;
    context->saved_data["reversed"] = reversed;
    context->set_materialize_grads(false);
    std::vector<at::Tensor> last_states;
    const at::Tensor out = scan_forward(
        {make_branch(tensors, reversed)}, make_shared(tensors, delta_softplus), &last_states);
    context->mark_non_differentiable({last_states[0]});
    return {out, last_states[0]};
  }

  static variable_list backward(AutogradContext* context, const variable_list& grad_outputs) {
    const auto tensors = context->get_saved_variables();
    const ScanBranch branch = make_branch(tensors, context->saved_data["reversed"].toBool());
    const ScanShared shared = make_shared(tensors, context->saved_data["delta_softplus"].toBool());
    const at::Tensor dz =
        shared.z.defined() ? at::empty(shared.z.sizes(), shared.z.options()) : at::Tensor();
    std::vector<ScanBranchGrads> grads(1);
    scan_backward({branch}, shared, grad_outputs[0].contiguous(), grads, dz);
    const ScanBranchGrads& g = grads[0];
    const variable_list all = {g.du, g.ddelta, g.dA, g.dB, g.dC, g.dD, dz, g.ddelta_bias};
    variable_list result = gather(all, context->saved_data["places"].toIntVector());
    result.resize(result.size() + 3);  // nothing for places, delta_softplus and reversed
    return result;
  }

 private:
  static ScanBranch make_branch(at::TensorList tensors, bool reversed) {
    return {
        tensors[0],
        tensors[1],
        tensors[3],
        tensors[4],
        tensors[2],
        tensors[5],
        tensors[7],
        reversed};
  }
  static ScanShared make_shared(at::TensorList tensors, bool delta_softplus) {
    return {tensors[6], {}, delta_softplus};
  }
};

}  // namespace

void check_scan(const char* op, const std::vector<ScanBranch>& branches, const ScanShared& shared) {
  const std::string name = op;
  const ScanBranch& first = branches[0];
  TORCH_CHECK(
      first.u.defined() && first.u.dim() == 3 && first.u.numel() > 0,
      name,
      ": u must be a non-empty (batch, seqlen, d_inner)");
  TORCH_CHECK(
      first.A.defined() && first.A.dim() == 2 && first.A.size(1) >= 1 &&
          first.A.size(1) <= kernels::kMaxScanStates,
      name,
      ": A must be (d_inner, d_state) with d_state 1 to ",
      kernels::kMaxScanStates);
  const int64_t d_state = first.A.size(1);
  TORCH_CHECK(
      first.B.defined() && first.B.dim() == 3 && first.B.size(2) % d_state == 0 &&
          first.B.size(2) > 0 && first.u.size(2) % (first.B.size(2) / d_state) == 0,
      name,
      ": B must be (batch, seqlen, groups * d_state) with groups dividing d_inner = ",
      first.u.size(2));
  for (const ScanBranch& branch : branches) {
    check_branch(name, branch, first);
  }
  if (shared.z.defined()) {
    check_tokens(name + ": z", shared.z, first.u.sizes(), first.u.scalar_type());
    check_one_device(name, {first.u, shared.z});
  }
}

bool scan_projects_delta(const std::vector<ScanBranch>& branches, const ScanShared& shared) {
  const DeviceCall call(branches[0].u);
  return call.is_on_device() && call.entry(&kernels::DeviceEntries::selective_scan_projects_delta)(
                                    make_params(branches, shared));
}

at::Tensor make_kept_states(const std::vector<ScanBranch>& branches, const ScanShared& shared) {
  const at::Tensor& u = branches[0].u;
  const DeviceCall call(u);
  const size_t bytes = call.is_on_device()
                           ? call.entry(&kernels::DeviceEntries::selective_scan_kept_states_size)(
                                 make_params(branches, shared))
                           : 0;
  return bytes > 0 ? make_workspace(bytes, u) : at::Tensor();
}

at::Tensor scan_forward(
    const std::vector<ScanBranch>& branches,
    const ScanShared& shared,
    std::vector<at::Tensor>* last_states) {
  kernels::ScanParams params = make_params(branches, shared);
  const at::Tensor& u = branches[0].u;
  const at::Tensor out = shared.out.defined() ? shared.out : at::empty(u.sizes(), u.options());
  params.out = mutable_token_view(out);
  for (size_t i = 0; last_states != nullptr && i < branches.size(); ++i) {
    last_states->push_back(
        at::empty({params.batch, params.d_inner, params.d_state}, u.options().dtype(at::kFloat)));
    params.direction[i].last_state = float_data(last_states->back());
  }
  launch_forward(u, params);
  return out;
}

void scan_backward(
    const std::vector<ScanBranch>& branches,
    const ScanShared& shared,
    const at::Tensor& dout,
    std::vector<ScanBranchGrads>& grads,
    const at::Tensor& dz,
    const at::Tensor& out) {
  kernels::ScanBackwardParams params;
  params.forward = make_params(branches, shared);
  params.forward.out = mutable_token_view(out);
  params.dout = token_view(dout);
  params.dz = mutable_token_view(dz);
  params.gate_defect = shared.gate_defect;
  params.dA_of_log = shared.dA_of_log;
  params.tf32_sums = at::globalContext().allowTF32CuBLAS();
  std::vector<at::Tensor> factors;
  for (size_t i = 0; i < branches.size(); ++i) {
    factors.push_back(branches[i].A);
    allocate_missing(branches[i], grads[i]);
    params.grads[i] = grad_pointers(grads[i]);
  }
  launch_backward(branches[0].u, params, factors, shared.sums_may_wait);
}

SelectiveScanResult selective_scan(const SelectiveScanInputs& inputs) {
  const ScanBranch branch{
      inputs.u,
      inputs.delta,
      inputs.B,
      inputs.C,
      inputs.A,
      inputs.D,
      inputs.delta_bias,
      inputs.reversed};
  check_scan("selective_scan", {branch}, {inputs.z, {}, inputs.delta_softplus});
  const std::vector<at::Tensor> tensors = {
      inputs.u, inputs.delta, inputs.A, inputs.B, inputs.C, inputs.D, inputs.z, inputs.delta_bias};
  const std::vector<int64_t> places = defined_places(tensors);
  const std::vector<at::Tensor> defined = gather(tensors, places);
  const auto results = SelectiveScanFunction::apply(
      at::TensorList(defined), places, inputs.delta_softplus, inputs.reversed);
  return {results[0], results[1]};
}

}  // namespace vim::ops
