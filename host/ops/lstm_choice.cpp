#include "ragtime/lstm_choice.hpp"

#include <algorithm>

#include "host/base/check.hpp"
#include "host/ops/lstm_device_model.hpp"

namespace ragtime {

std::vector<std::string> lstm_device_models() {
  std::vector<std::string> names;
  for (const LstmDeviceModel& model : lstm_models) names.emplace_back(model.name);
  return names;
}

LstmChoice lstm_choice_on(std::string_view device_model, const LstmDesc& desc) {
  const auto* const model =
      std::find_if(std::begin(lstm_models), std::end(lstm_models),
                   [&](const LstmDeviceModel& each) { return device_model == each.name; });
  check(model != std::end(lstm_models), ErrorCode::invalid_argument, "device_model is \"", device_model,
        "\": expected one of lstm_device_models()");
  check_lstm_desc(desc);
  check(desc.dtype != DType::f64, ErrorCode::unsupported,
        "dtype is f64, which the cuda backend does not compute in");
#ifdef RAGTIME_CUDA_BACKEND
  return cuda_lstm_choice(*model, desc);
#else
  fail(ErrorCode::unsupported,
       "this build of ragtime has no CUDA backend, whose LSTM alone has algorithms to choose from: build it "
       "where the CUDA Toolkit is");
#endif
}

}  // namespace ragtime
