#include "host/tool/train/first_parameters.hpp"

#include <algorithm>
#include <cmath>

#include "host/model/parameter_values.hpp"
#include "host/tool/train/unknown_codes.hpp"

namespace ragtime {
namespace {

// Of [UNK] too: it begins as a code without an effect, whatever the seed, and learns from there.
void zero_untrained_rows(const ParameterInfo& embedding, const TrainingData& data,
                         std::vector<float>& values) {
  std::vector<bool> there =
      input_ids(data.encoded, data.examples, data.split.training, data.config.vocab_size);
  there[unknown_id] = false;
  const std::int64_t width = embedding.shape.back();
  for (std::int64_t id = 0; id < data.config.vocab_size; ++id)
    if (!there[static_cast<std::size_t>(id)])
      std::fill_n(values.begin() + embedding.offset + id * width, width, 0.0f);
}

// One half more of each class, so that none has the share 0.
void set_bias_to_base_rate(const ParameterInfo& bias, const TrainingData& data, std::vector<float>& values) {
  float* to = values.data() + bias.offset;
  const TargetCount counts = count_targets(data.examples, data.split.training);
  const auto all = static_cast<double>(counts.targets);
  if (data.config.task != Task::multi_class) {
    const auto positives = static_cast<double>(counts.positives);
    to[0] = static_cast<float>(std::log((positives + 0.5) / (all - positives + 0.5)));
    return;
  }
  std::vector<double> of_class(static_cast<std::size_t>(data.config.output_dim), 0.5);
  for (const std::int32_t label : make_targets(data.examples, data.split.training).labels)
    ++of_class[static_cast<std::size_t>(label)];
  for (std::size_t k = 0; k < of_class.size(); ++k)
    to[k] = static_cast<float>(std::log(of_class[k] / (all + 0.5 * static_cast<double>(of_class.size()))));
}

}  // namespace

std::vector<float> first_parameters(const VisitLstm& model, const TrainingData& data,
                                    const TrainOptions& options) {
  std::vector<float> values = initial_parameters(model, options.seed);
  const std::span<const ParameterInfo> parameters = model.parameters();
  // With both off the parameters of every row are those of the reference model.
  if (options.min_code_count > 1 || options.code_dropout > 0)
    zero_untrained_rows(parameters.front(), data, values);
  const Task task = data.config.task;
  if (task == Task::binary_classification || task == Task::multi_class || task == Task::visit_binary)
    set_bias_to_base_rate(parameters.back(), data, values);
  return values;
}

}  // namespace ragtime
