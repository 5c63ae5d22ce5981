#pragma once

// The folder a run writes into, asked about before the work begins.

#include "host/train/train_options.hpp"

namespace ragtime {

class RunFolder {
 public:
  // Throws Error(invalid_argument) when options.out is no folder, holds a model or a run already and
  // options.resume is not set, or holds a model that no run left there and it is.
  explicit RunFolder(const TrainOptions& options);

  // Makes the folder, and takes away the temporaries that a killed run left in it.
  void create() const;

 private:
  std::filesystem::path path_;
};

}  // namespace ragtime
