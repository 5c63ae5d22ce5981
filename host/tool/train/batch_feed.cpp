#include "host/tool/train/batch_feed.hpp"

#include "ragtime/error.hpp"

namespace ragtime {
namespace {

constexpr Stream compute;

}  // namespace

BatchFeed::BatchFeed(std::shared_ptr<Backend> backend, const EncodedCohort& encoded,
                     const ExampleSet& examples, DType dtype, Targets targets, const TargetScale& scale)
    : backend_(std::move(backend)),
      slots_{Slot{BatchLoader(backend_, encoded, examples, dtype, scale), {}},
             Slot{BatchLoader(backend_, encoded, examples, dtype, scale), {}}},
      targets_(targets) {
  for (Slot& slot : slots_) slot.copies = backend_->make_stream();
}

// Copies still read the memory that is freed next.
BatchFeed::~BatchFeed() {
  for (Slot& slot : slots_) {
    try {
      backend_->synchronize(slot.copies);
    } catch (const Error&) {
      // A device that has failed copies nothing more.
    }
    backend_->free_stream(slot.copies);
  }
}

void BatchFeed::start(std::span<const std::vector<std::int32_t>> batches, std::size_t first,
                      const CodeDropout& dropout) {
  dropout_ = dropout;
  batches_ = batches;
  next_ = first;
  ahead_ = false;
}

void BatchFeed::load(std::size_t batch) {
  Slot& to = slot(batch);
  if (targets_ == Targets::loaded)
    to.loader.load_with_targets(batches_[batch], to.copies, dropout_);
  else
    to.loader.load(batches_[batch], to.copies);
}

const BatchLoader* BatchFeed::next() {
  if (next_ >= batches_.size()) return nullptr;
  if (!ahead_) {
    backend_->order(compute, slot(next_).copies);
    load(next_);
  }
  ahead_ = false;
  // The copy to come waits for the work that is queued by now, on the batch that is there: but not for that
  // on this one, queued after this.
  backend_->order(compute, slot(next_ + 1).copies);
  backend_->order(slot(next_).copies, compute);
  return &slot(next_++).loader;
}

void BatchFeed::load_ahead() {
  if (ahead_ || next_ >= batches_.size()) return;
  load(next_);
  ahead_ = true;
}

}  // namespace ragtime
