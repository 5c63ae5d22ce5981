#include "host/tool/train/evaluate_model.hpp"

#include "host/tool/train/batch_capacity.hpp"
#include "host/tool/train/epoch_batches.hpp"
#include "ragtime/model_directory.hpp"

namespace ragtime {

Evaluation evaluate_model(const TrainingData& data, const TrainOptions& options, Part part,
                          const std::shared_ptr<Backend>& backend) {
  VisitLstm model =
      read_model(options.out, backend, dtype_of(options.precision), options.precision == Precision::tf32);
  const auto batches = validation_batches(data.examples, data.split.part(part), options);
  model.reserve(capacity_of(data.encoded, data.examples, batches), false);
  BatchFeed feed(backend, data.encoded, data.examples, model.dtype());
  return evaluate(model, feed, backend, batches);
}

}  // namespace ragtime
