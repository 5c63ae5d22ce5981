#pragma once

// Batch after batch for a device, each made and copied while the device still computes on the one before:
//
//   feed.start(batches);
//   while (const BatchLoader* loaded = feed.next()) {
//     queue the work on loaded->batch()
//     feed.load_ahead();
//     wait for the work, read what came of it
//   }
//
// There are two of everything, and a stream of its own for the copies of each. A copy waits until all work on
// the batch that was there before is done, and the work on a batch until its copy is.

#include <array>
#include <memory>
#include <span>
#include <vector>

#include "host/tool/train/batch_loader.hpp"

namespace ragtime {

class BatchFeed {
 public:
  enum class Targets : std::uint8_t { none, loaded };

  // dtype is the model's, scale that of the targets of regression. The work is queued on the default stream.
  BatchFeed(std::shared_ptr<Backend> backend, const EncodedCohort& encoded, const ExampleSet& examples,
            DType dtype = DType::f32, Targets targets = Targets::loaded, const TargetScale& scale = {});
  ~BatchFeed();
  BatchFeed(const BatchFeed&) = delete;
  BatchFeed& operator=(const BatchFeed&) = delete;

  // From batches[first] on; whatever was loaded ahead before is forgotten. The batches, indices into the
  // examples, must stay. dropout: of the codes of batches with targets.
  void start(std::span<const std::vector<std::int32_t>> batches, std::size_t first = 0,
             const CodeDropout& dropout = {});

  // The next batch, or null after the last one. It stays until `next` has been called twice more.
  const BatchLoader* next();

  // Makes the batch that `next` will give, and queues its copy. Nothing happens after the last one.
  void load_ahead();

 private:
  struct Slot {
    BatchLoader loader;
    Stream copies;
  };

  Slot& slot(std::size_t batch) { return slots_[batch % 2]; }
  void load(std::size_t batch);

  std::shared_ptr<Backend> backend_;
  std::array<Slot, 2> slots_;
  Targets targets_;
  std::span<const std::vector<std::int32_t>> batches_;
  CodeDropout dropout_;
  std::size_t next_ = 0;
  bool ahead_ = false;  // whether batch number next_ is loaded
};

}  // namespace ragtime
