# The emulation of the GPU, with which the tests and the benchmarks run the CUDA backend on the CPU.

find_path(RAGTIME_CUDA_INCLUDE cuda_bf16.h
  HINTS ${CMAKE_CUDA_TOOLKIT_INCLUDE_DIRECTORIES} ENV CUDA_PATH ENV CUDA_HOME /usr/local/cuda PATH_SUFFIXES include
  DOC "Folder of cuda_bf16.h, for the tests of the kernels on the CPU")
mark_as_advanced(RAGTIME_CUDA_INCLUDE)
if(RAGTIME_CUDA_INCLUDE)
  add_subdirectory(cuda/arch/simt)
  add_subdirectory(cuda/runtime/simt)
else()
  message(STATUS "Tests of the kernels on the CPU: left out, no cuda_bf16.h found (RAGTIME_CUDA_INCLUDE names its folder)")
endif()
