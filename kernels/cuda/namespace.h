// The namespace of the CUDA entries and of all device code. The same sources are built by nvcc and,
// for the emulation on the host, by the C++ compiler; two names keep both builds in one program.
#pragma once

#ifndef VIM_CUDA_NAMESPACE
#define VIM_CUDA_NAMESPACE cuda
#endif
