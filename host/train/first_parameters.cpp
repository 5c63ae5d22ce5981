#include "host/train/first_parameters.hpp"

#include <algorithm>
#include <cmath>

#include "host/model/parameter_values.hpp"
#include "host/train/unknown_codes.hpp"

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

// [K] how many training targets are 1, or of class k; and of how many.
struct TargetCounts {
  std::vector<double> of_output;
  double all = 0;
};

TargetCounts count_targets(const TrainingData& data) {
  TargetCounts counts{std::vector<double>(static_cast<std::size_t>(data.config.output_dim)), 0};
  for (const std::int32_t& index : data.split.training) {
    const HostTargets targets = make_targets(data.examples, {&index, 1});
    for (std::size_t row = 0; row < targets.values.size(); ++row) {
      if (!targets.row_weight.empty() && targets.row_weight[row] == 0) continue;
      counts.of_output[0] += static_cast<double>(targets.values[row]);
      ++counts.all;
    }
    for (const std::int32_t label : targets.labels) {
      ++counts.of_output[static_cast<std::size_t>(label)];
      ++counts.all;
    }
  }
  return counts;
}

// One half more of each class, so that none has the share 0.
void set_bias_to_base_rate(const ParameterInfo& bias, const TrainingData& data, std::vector<float>& values) {
  const TargetCounts counts = count_targets(data);
  const bool classes = data.config.task == Task::multi_class;
  for (std::size_t k = 0; k < counts.of_output.size(); ++k) {
    const double own = counts.of_output[k] + 0.5;
    const double reference =
        classes ? counts.all + 0.5 * static_cast<double>(counts.of_output.size()) : counts.all + 1 - own;
    values[static_cast<std::size_t>(bias.offset) + k] = static_cast<float>(std::log(own / reference));
  }
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
