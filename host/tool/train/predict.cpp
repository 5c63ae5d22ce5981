#include "host/tool/train/predict.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "host/base/atomic_file.hpp"
#include "host/base/check.hpp"
#include "host/tool/data/csv_field.hpp"
#include "host/tool/train/activation.hpp"
#include "host/tool/train/batch_capacity.hpp"
#include "host/tool/train/batch_feed.hpp"
#include "host/tool/train/readback.hpp"
#include "ragtime/status.hpp"

namespace ragtime {
namespace {

// Visits a batch: enough to keep every thread busy, and not more logits at once than this.
constexpr std::int64_t most_rows = 4096;
constexpr std::int64_t most_logits = std::int64_t{1} << 24;

// 9 digits of a float give it back; of a double they may lie on the other side of the middle between two
// floats.
void append_number(std::string& line, float value) {
  char digits[32];
  const auto end = std::to_chars(digits, digits + sizeof digits, value, std::chars_format::general, 9).ptr;
  line.append(digits, end);
}

std::string header(const ModelConfig& config, const PredictionColumns& columns) {
  std::string line = "patient_id";
  if (columns.prediction_time || !columns.time_text.empty()) line += ",prediction_time";
  if (columns.parts != nullptr) line += ",part";
  if (!is_patient_level(config.task)) line += ",visit";
  for (std::int64_t k = 0; k < config.output_dim; ++k) line += concat(",p", k);
  return line + '\n';
}

std::vector<std::vector<std::int32_t>> batches_of(const ExampleSet& examples, std::int64_t outputs) {
  const std::vector<std::int32_t> lengths = example_lengths(examples);
  EpochOptions options;
  options.batch_rows = std::clamp<std::int64_t>(most_logits / outputs, 1, most_rows);
  options.shuffle = false;
  return plan_epoch(lengths, options);
}

}  // namespace

PredictionSummary write_predictions(VisitLstm& model, const std::shared_ptr<Backend>& backend,
                                    const EncodedCohort& encoded, const ExampleSet& examples,
                                    const std::filesystem::path& out, const PredictionColumns& columns,
                                    const std::function<void(std::int64_t)>& progress) {
  const ModelConfig& config = model.config();
  const std::int64_t outputs = config.output_dim;
  const bool patient_level = is_patient_level(config.task);
  AtomicFile file(out);
  file.write(header(config, columns));
  const std::vector<std::vector<std::int32_t>> batches = batches_of(examples, outputs);
  model.reserve(capacity_of(encoded, examples, batches), false);
  BatchFeed feed(backend, encoded, examples, model.dtype(), BatchFeed::Targets::none);
  Logits logits(backend, model.dtype());
  Status status(backend);
  PredictionSummary summary;
  std::vector<double> row(static_cast<std::size_t>(outputs));
  std::string line;
  feed.start(batches);
  for (const std::vector<std::int32_t>& batch : batches) {
    const BatchLoader* loaded = feed.next();
    const Capacity& size = loaded->batch().size();
    logits.queue(model.forward(loaded->batch(), {}, status.word()),
                 (patient_level ? size.sequences : size.rows) * outputs);
    feed.load_ahead();
    status.check();  // waits
    const float* at = logits.values().data();
    for (const std::int32_t index : batch) {
      const Example& example = examples.examples[index];
      const std::string& patient = encoded.cohort->patient_ids[example.patient];
      std::string id = csv_field(patient);
      if (!columns.time_text.empty()) id += ',' + csv_field(columns.time_text);
      if (columns.prediction_time) id += ',' + csv_field(examples.time_texts[index]);
      if (columns.parts != nullptr) {
        const auto part = columns.parts->find(patient);
        id += concat(',', part == columns.parts->end() ? "" : name_of(part->second));
      }
      const std::int32_t rows = patient_level ? 1 : example.visits;
      // At a time of its own, what counts is the prediction of the last visit.
      const std::int32_t first = columns.prediction_time ? rows - 1 : 0;
      at += first * outputs;
      for (std::int32_t t = first; t < rows; ++t, at += outputs) {
        row.assign(at, at + outputs);
        activate(config.task, row);
        line = patient_level ? id : concat(id, ',', t);
        for (const double value : row) {
          check(std::isfinite(value), ErrorCode::out_of_range, "the prediction for patient ", id, ", visit ",
                t, " is ", value, ": expected a finite number; the model's parameters are too large");
          line += ',';
          append_number(line, static_cast<float>(value));
        }
        line += '\n';
        file.write(line);
      }
      summary.lines += rows - first;
      ++summary.examples;
    }
    if (progress) progress(summary.examples);
  }
  file.commit();
  return summary;
}

}  // namespace ragtime
