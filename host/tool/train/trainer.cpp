#include "host/tool/train/trainer.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <optional>

#include "host/base/atomic_file.hpp"
#include "host/base/check.hpp"
#include "host/base/printable.hpp"
#include "host/tool/train/batch_capacity.hpp"
#include "host/tool/train/epoch_batches.hpp"
#include "host/tool/train/evaluate.hpp"
#include "host/tool/train/first_parameters.hpp"
#include "host/tool/train/readback.hpp"
#include "ragtime/status.hpp"

namespace ragtime {
namespace {

using Clock = std::chrono::steady_clock;

// A killed run loses at most this much work.
constexpr std::chrono::minutes checkpoint_interval(5);

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

std::int64_t rows_of(const ExampleSet& set, std::span<const std::int32_t> indices) {
  std::int64_t rows = 0;
  for (const std::int32_t index : indices) rows += set.examples[index].visits;
  return rows;
}

}  // namespace

class Trainer::State {
 public:
  State(std::shared_ptr<Backend> given, const TrainingData& data, const TrainOptions& options)
      : backend_(std::move(given)),
        data_(data),
        options_(options),
        settings_(settings_json(options)),
        model_(backend_, data.config, dtype_of(options.precision), options.precision == Precision::tf32),
        optimizer_(backend_, model_.parameter_count(), options.optimizer, model_.dtype()),
        scale_(target_scale(data.examples, data.split.training)),
        feed_(backend_, data.encoded, data.examples, model_.dtype(), BatchFeed::Targets::loaded, scale_),
        loss_(backend_),
        status_(backend_) {
    history_.task = name_of(data.config.task);
    validation_batches_ = validation_batches(data.examples, data.split.validation, options);
    // All the room a run takes, once: to make more would stop the device, and a plan of another size may add
    // up in another order.
    model_.reserve(
        epoch_capacity(data.encoded, data.examples, data.split.training, epoch_options(options, 0)), true);
    model_.reserve(capacity_of(data.encoded, data.examples, validation_batches_), false);
    const std::filesystem::path file = options.out / "checkpoint.safetensors";
    if (options.resume && std::filesystem::exists(file)) {
      restore(file);
    } else {
      put_parameters(first_parameters(model_, data, options));
    }
  }

  TrainEnd run(TrainObserver& observer) {
    save();  // first: a run that cannot write its checkpoint leaves nothing
    write_file_atomically(options_.out / "splits.csv", to_csv(data_.split.patients));
    while (position_.epoch <= options_.epochs) {
      if (out_of_patience()) return TrainEnd::stopped_early;
      const auto rate = train_epoch(observer);
      if (!rate) {
        save();
        return TrainEnd::interrupted;
      }
      finish_epoch(observer, *rate);
    }
    return TrainEnd::finished;
  }

  bool resumed() const { return resumed_; }
  const History& history() const { return history_; }
  std::uint64_t skipped_steps() const {
    AdamWState state;
    backend_->copy(&state, optimizer_.state(), sizeof state, CopyKind::to_host);
    backend_->synchronize();
    return state.skipped;
  }

 private:
  std::size_t parameter_count() const { return static_cast<std::size_t>(model_.parameter_count()); }

  // The array that the steps add up in, f32 [parameter_count()] on the device.
  void* parameter_sums() const {
    return optimizer_.master() != nullptr ? optimizer_.master() : model_.parameter_data();
  }
  std::vector<float> fetch(const void* from) const {
    std::vector<float> values(parameter_count());
    backend_->copy(values.data(), from, values.size() * sizeof(float), CopyKind::to_host);
    backend_->synchronize();
    return values;
  }
  void put(void* to, const std::vector<float>& values) {
    backend_->copy(to, values.data(), values.size() * sizeof(float), CopyKind::to_device);
    backend_->synchronize();
  }
  std::vector<float> parameters() const { return fetch(parameter_sums()); }
  void put_parameters(const std::vector<float>& values) {
    put(parameter_sums(), values);
    if (optimizer_.master() != nullptr) optimizer_.load_master(optimizer_.master(), model_.parameter_data());
  }

  bool out_of_patience() const {
    return options_.patience > 0 && position_.epoch - 1 - history_.best_epoch >= options_.patience;
  }

  std::vector<std::vector<std::int32_t>> training_batches(std::int64_t epoch) const {
    return plan_batches(data_.examples, data_.split.training, epoch_options(options_, epoch - 1));
  }

  // Rows/s, or nothing when it was interrupted.
  std::optional<double> train_epoch(TrainObserver& observer) {
    const auto batches = training_batches(position_.epoch);
    TrainProgress progress;
    progress.epoch = position_.epoch;
    progress.epochs = options_.epochs;
    progress.batches = static_cast<std::int64_t>(batches.size());
    progress.total_rows = rows_of(data_.examples, data_.split.training);
    for (std::int64_t i = 0; i < position_.batch; ++i) progress.rows += rows_of(data_.examples, batches[i]);
    const std::int64_t rows_before = progress.rows;
    feed_.start(batches, static_cast<std::size_t>(position_.batch),
                {options_.code_dropout, options_.seed, static_cast<std::uint64_t>(position_.epoch)});
    const auto start = Clock::now();
    for (; position_.batch < progress.batches; ++position_.batch) {
      if (observer.stop_requested()) return std::nullopt;
      if (Clock::now() - last_saved_ > checkpoint_interval) save();
      train_batch();
      progress.rows += rows_of(data_.examples, batches[position_.batch]);
      progress.batch = position_.batch + 1;
      progress.rows_per_second = static_cast<double>(progress.rows - rows_before) / seconds_since(start);
      observer.on_batch(progress);
    }
    return observer.stop_requested() ? std::nullopt : std::optional(progress.rows_per_second);
  }

  void train_batch() {
    const BatchLoader& loaded = *feed_.next();
    model_.forward_backward(loaded.batch(), loaded.targets(), options_.seed, &optimizer_.state()->step,
                            loss_.loss(), loss_.weight(), {}, status_.word());
    optimizer_.step(model_.parameter_data(), model_.gradient_data(), {}, status_.word());
    loss_.queue();
    feed_.load_ahead();
    status_.check();  // waits
    const LossPair::Values values = loss_.values();
    // At once: what comes after is lost work, and such a sum has no place in a checkpoint.
    require_finite(values.loss, "training");
    if (values.weight > 0) position_.loss_sum += values.loss * values.weight;
    position_.weight_sum += values.weight;
  }

  void finish_epoch(TrainObserver& observer, double rate) {
    EpochRecord record;
    record.epoch = position_.epoch;
    record.train_loss = position_.weight_sum > 0 ? position_.loss_sum / position_.weight_sum : 0;
    observer.on_validation();
    Evaluation evaluation = evaluate(model_, feed_, backend_, validation_batches_, scale_);
    record.validation_loss = evaluation.loss;
    record.metrics = std::move(evaluation.metrics);
    require_finite(record.validation_loss, "validation");
    const bool best = history_.best_epoch == 0 || record.validation_loss < best_loss();
    history_.epochs.push_back(record);
    if (best) {
      history_.best_epoch = record.epoch;
      save_model();
    }
    position_ = {record.epoch + 1, 0, 0, 0};
    save();
    observer.on_epoch(record, rate, best);
  }

  void require_finite(double loss, const char* which) const {
    check(std::isfinite(loss), ErrorCode::out_of_range, "the ", which, " loss of epoch ", position_.epoch,
          " is ", loss, ": the run has diverged; a smaller --lr, or --clip, may help");
  }

  double best_loss() const { return history_.epochs[history_.best_epoch - 1].validation_loss; }

  // The parameters last: with them the directory is a model.
  void save_model() const {
    data_.vocabulary.write(options_.out / "vocabulary.txt");
    write_training_file(options_.out / "training.json", data_.training);
    write_config(options_.out / "config.json", data_.config);
    std::vector<float> values = parameters();
    fold_into_head(scale_, model_.parameters(), values);
    save_parameters(options_.out / "model.safetensors", model_, values);
  }

  void save() {
    Checkpoint checkpoint;
    checkpoint.settings = settings_;
    checkpoint.fingerprint = data_.fingerprint;
    checkpoint.position = position_;
    checkpoint.history = history_;
    checkpoint.parameters = parameters();
    checkpoint.first_moment = fetch(optimizer_.first_moment());
    checkpoint.second_moment = fetch(optimizer_.second_moment());
    backend_->copy(&checkpoint.optimizer, optimizer_.state(), sizeof checkpoint.optimizer, CopyKind::to_host);
    backend_->synchronize();
    write_checkpoint(options_.out / "checkpoint.safetensors", checkpoint);
    if (!history_.epochs.empty()) {
      write_file_atomically(options_.out / "history.json", to_json(history_));
      write_file_atomically(options_.out / "history.svg", to_svg(history_));
    }
    last_saved_ = Clock::now();
  }

  // Whatever a checkpoint of these settings and these data may hold, and nothing that is no place in a run.
  void check_position(const Checkpoint& checkpoint, const std::string& file) const {
    const History& history = checkpoint.history;
    const EpochPosition& position = checkpoint.position;
    const auto epochs = static_cast<std::int64_t>(history.epochs.size());
    check(epochs == position.epoch - 1 && (epochs == 0 || history.epochs.back().epoch == epochs),
          ErrorCode::parse_error, file, " stands in epoch ", position.epoch, " with ", epochs,
          " epochs of history: expected every one before it");
    check((history.best_epoch == 0) == (epochs == 0), ErrorCode::parse_error, file, " has best epoch ",
          history.best_epoch, " of ", epochs);
    check(history.task == history_.task, ErrorCode::parse_error, file, " is about task ",
          printable(history.task, 60), ": expected ", history_.task);
    if (position.batch == 0) return;
    const auto batches = static_cast<std::int64_t>(training_batches(position.epoch).size());
    check(position.batch <= batches, ErrorCode::parse_error, file, " stands at batch ", position.batch,
          " of an epoch of ", batches);
  }

  void restore(const std::filesystem::path& file) {
    Checkpoint checkpoint = read_checkpoint(file);
    check_same_settings(options_, checkpoint.settings);
    check(checkpoint.fingerprint == data_.fingerprint, ErrorCode::invalid_argument,
          "--resume with other data than the run in ", options_.out.string(),
          " was begun with: expected the same --data, --labels, --observed-until and --split-file");
    check(checkpoint.parameters.size() == parameter_count(), ErrorCode::shape_mismatch, file.string(),
          " holds ", checkpoint.parameters.size(), " parameters: expected ", parameter_count());
    check_position(checkpoint, file.string());
    put_parameters(checkpoint.parameters);
    put(optimizer_.first_moment(), checkpoint.first_moment);
    put(optimizer_.second_moment(), checkpoint.second_moment);
    backend_->copy(optimizer_.state(), &checkpoint.optimizer, sizeof checkpoint.optimizer,
                   CopyKind::to_device);
    backend_->synchronize();
    position_ = checkpoint.position;
    history_ = std::move(checkpoint.history);
    resumed_ = true;
  }

  std::shared_ptr<Backend> backend_;
  const TrainingData& data_;
  const TrainOptions options_;
  const std::string settings_;
  VisitLstm model_;
  AdamW optimizer_;
  TargetScale scale_;  // follows from the data, so that no checkpoint holds it
  BatchFeed feed_;
  LossPair loss_;
  Status status_;
  std::vector<std::vector<std::int32_t>> validation_batches_;
  EpochPosition position_;
  History history_;
  Clock::time_point last_saved_;
  bool resumed_ = false;
};

Trainer::Trainer(std::shared_ptr<Backend> backend, const TrainingData& data, const TrainOptions& options)
    : state_(std::make_unique<State>(std::move(backend), data, options)) {}

Trainer::~Trainer() = default;

bool Trainer::resumed() const {
  return state_->resumed();
}
const History& Trainer::history() const {
  return state_->history();
}
std::uint64_t Trainer::skipped_steps() const {
  return state_->skipped_steps();
}
TrainEnd Trainer::run(TrainObserver& observer) {
  return state_->run(observer);
}

}  // namespace ragtime
