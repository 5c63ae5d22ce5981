# The backend's own sources, which nvcc compiles for the GPU and, in tests/simt, g++ for the emulation. What calls CUDA's
# libraries is in runtime/, and has a counterpart there.
set(RAGTIME_CUDA_SOURCES
  adamw.cu
  batch_builder.cu
  cuda_backend.cu
  dropout.cu
  final_state.cu
  layout.cu
  linear.cu
  lstm.cu
  lstm_backward.cu
  lstm_choice.cu
  lstm_choice_device.cu
  lstm_choice_model.cu
  lstm_cudnn.cu
  lstm_forward.cu
  lstm_persistent.cu
  lstm_persistent_backward_bf16.cu
  lstm_persistent_backward_f16.cu
  lstm_persistent_backward_f32.cu
  lstm_persistent_forward_bf16.cu
  lstm_persistent_forward_f16.cu
  lstm_persistent_forward_f32.cu
  lstm_persistent_run.cu
  masked_loss.cu
  segment_pool.cu
  segment_pool_attention.cu
  segment_pool_backward.cu)
list(TRANSFORM RAGTIME_CUDA_SOURCES PREPEND ${CMAKE_CURRENT_LIST_DIR}/)
