// The device's backend, under the name by which host code, which sees no kernel, knows it.

#include "cuda/backend.hpp"
#include "cuda/lstm/choice/choice.hpp"
#include "host/ops/lstm_device_model.hpp"

namespace ragtime {

std::shared_ptr<Backend> make_cuda_backend();

std::shared_ptr<Backend> make_cuda_backend() {
  return cuda::backend();
}

LstmChoice cuda_lstm_choice(const LstmDeviceModel& model, const LstmDesc& desc) {
  return cuda::choose_lstm(desc, model);
}

}  // namespace ragtime
