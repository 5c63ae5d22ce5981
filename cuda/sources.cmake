# The backend's own sources, which nvcc compiles for the GPU and the host compiler for the emulation. What calls CUDA's
# libraries is in runtime/gpu, and has a counterpart in runtime/simt.
set(RAGTIME_CUDA_SOURCES
  adamw/adamw.cu
  backend.cu
  batch_builder/batch_builder.cu
  dropout/dropout.cu
  final_state/final_state.cu
  layout/layout.cu
  linear/linear.cu
  lstm/choice/choice.cu
  lstm/choice/device.cu
  lstm/choice/model.cu
  lstm/cudnn/cudnn.cu
  lstm/make.cu
  lstm/persistent/instances/backward_bf16.cu
  lstm/persistent/instances/backward_f16.cu
  lstm/persistent/instances/backward_f32.cu
  lstm/persistent/instances/forward_bf16.cu
  lstm/persistent/instances/forward_f16.cu
  lstm/persistent/instances/forward_f32.cu
  lstm/persistent/persistent.cu
  lstm/persistent/run.cu
  lstm/stepwise/backward.cu
  lstm/stepwise/forward.cu
  masked_loss/masked_loss.cu
  segment_pool/attention.cu
  segment_pool/backward.cu
  segment_pool/segment_pool.cu)
list(TRANSFORM RAGTIME_CUDA_SOURCES PREPEND ${CMAKE_CURRENT_LIST_DIR}/)
