#include "benchmarks/cases/operations.hpp"

#include <stdexcept>

namespace ragtime::benchmarks {

const std::vector<Operation>& operations() {
  static const std::vector<Operation> all = {
      {"lstm", "the LSTM layer over ragged rows", lstm_cases, {"input", "hidden", "layers"}, true, true},
      {"lstm_step",
       "one step of it for every sequence, as streaming inference has",
       lstm_step_cases,
       {"input", "hidden", "layers"}},
      {"segment_pool",
       "embedding and pooling of the codes of visits",
       segment_pool_cases,
       {"width", "vocabulary", "codes"}},
      {"masked_loss", "losses over visits, with their gradient", masked_loss_cases, {"outputs"}},
      {"linear", "the linear layer over visits", linear_cases, {"input", "outputs"}},
      {"layout", "rows from ragged to packed and padded", layout_cases, {"width"}},
      {"final_state", "the state each sequence ends with", final_state_cases, {"width"}},
      {"dropout", "dropout of ragged rows", dropout_cases, {"width"}},
      {"batch_builder", "a ragged batch from lengths or a mask", batch_builder_cases, {}},
      {"adamw", "a step of AdamW with clipping", adamw_cases, {"parameters"}, false},
      {"train_step",
       "a whole training step of the model",
       train_step_cases,
       {"input", "hidden", "layers", "vocabulary", "codes"}}};
  return all;
}

const Operation& operation_named(std::string_view name) {
  std::string names;
  for (const Operation& operation : operations()) {
    if (operation.name == name) return operation;
    names += (names.empty() ? "" : ", ") + operation.name;
  }
  throw std::invalid_argument("there is no operation named " + std::string(name) + ", expected one of " +
                              names);
}

}  // namespace ragtime::benchmarks
