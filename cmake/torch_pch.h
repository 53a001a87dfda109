// The LibTorch headers that most of our sources need. torch/torch.h is left out on purpose: it
// doubles the time and size of this header.
#pragma once

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/nn/module.h>
#include <torch/nn/modules/container/modulelist.h>
#include <torch/nn/pimpl.h>
