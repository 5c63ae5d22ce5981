#pragma once

// AdamW (Loshchilov and Hutter 2019, as torch.optim.AdamW) with global gradient-norm clipping (as
// torch.nn.utils.clip_grad_norm_), one pass over all parameters. A step whose gradient is not finite, or
// taken while the status word is set, changes nothing and is counted.

#include <memory>

#include "ragtime/backend.hpp"

namespace ragtime {

// What an AdamWPlan steps.
struct AdamWDesc {
  DType dtype = DType::f32;     // of parameters and gradients
  std::int64_t parameters = 0;  // elements, exactly
};

// Names and defaults of torch.optim.AdamW.
struct AdamWOptions {
  double learning_rate = 1e-3;  // finite, 0 or more
  double beta1 = 0.9;           // of the first moment, in [0, 1)
  double beta2 = 0.999;         // of the second moment, in [0, 1)
  double epsilon = 1e-8;        // added to the root of the second moment; finite, above 0
  double weight_decay = 0.01;   // times the learning rate; finite, 0 or more
  double clip_norm = 0;         // largest norm of all gradients together; finite; 0: no clipping
};

// Lives in device memory, zeroed at the start.
struct AdamWState {
  std::uint64_t step = 0;     // steps taken; also the dropout step
  std::uint64_t skipped = 0;  // steps not taken
  double gradient_norm = 0;   // of the last call, before clipping
};

// The memory of one step.
struct AdamWArgs {
  void* parameters = nullptr;       // [n] dtype, n = AdamWDesc::parameters
  const void* gradients = nullptr;  // [n] dtype
  void* first_moment = nullptr;     // [n] dtype (f32 for bf16 and f16), zeros at the start
  void* second_moment = nullptr;    // [n] likewise
  // [n] bf16 and f16 only, else null: the parameters in f32, which the steps add up in. parameters are these,
  // rounded, after every step that is taken.
  float* master = nullptr;
  AdamWState* state = nullptr;            // [1] device
  const std::uint64_t* status = nullptr;  // device status word or null
  void* workspace = nullptr;              // [workspace_bytes()]
};

struct AdamWOperation;

// Steps over memory of the caller's; AdamW is this with memory of its own.
class AdamWPlan {
 public:
  // Throws Error(invalid_argument) on a negative number of parameters, Error(unsupported) on a dtype the
  // backend does not compute in.
  AdamWPlan(std::shared_ptr<Backend> backend, const AdamWDesc& desc);
  ~AdamWPlan();
  AdamWPlan(AdamWPlan&&) noexcept;
  AdamWPlan& operator=(AdamWPlan&&) noexcept;

  std::size_t workspace_bytes() const;  // of a step
  // Queues one step. Throws Error(invalid_argument) on options out of range, on null pointers, and on a
  // master where there is none to be. Nothing but the options and the pointers is decided on the host, so
  // that a captured step can be replayed.
  void step(const AdamWOptions& options, const AdamWArgs& args, Stream stream = {}) const;
  // values [n] = parameters [n] of the dtype; both device. Throws Error(invalid_argument) on a null pointer.
  void widen(const void* parameters, float* values, Stream stream = {}) const;
  // parameters [n] of the dtype = values [n], rounded to nearest; both device. Errors as widen.
  void round(const float* values, void* parameters, Stream stream = {}) const;

 private:
  AdamWDesc desc_;
  std::shared_ptr<Backend> backend_;
  std::unique_ptr<AdamWOperation> operation_;
};

// The optimizer of one flat array of parameters, with the memory it needs: all of it is taken when it is
// made. Of bf16 and f16 parameters it owns the master too, which has to be loaded before the first step.
class AdamW {
 public:
  // `parameters` is their number, dtype their type. Throws as AdamWPlan does, and Error(out_of_memory). The
  // options are checked at every step.
  AdamW(std::shared_ptr<Backend> backend, std::int64_t parameters, const AdamWOptions& options = {},
        DType dtype = DType::f32);

  AdamWOptions options;  // read at every step, so a schedule may change them in between

  // parameters, gradients: device [n]. The step is skipped while the status word (device, or null) is set.
  // Throws Error(invalid_argument) as AdamWPlan::step, and when there is a master and nothing was loaded into
  // it.
  void step(void* parameters, const void* gradients, Stream stream = {},
            const std::uint64_t* status = nullptr);

  // The master becomes the parameters (device [n]) as they are. Throws Error(invalid_argument) unless they
  // are bf16 or f16.
  void load_master(const void* parameters, Stream stream = {});
  // The master becomes values (device [n]), and the parameters become these, rounded: initial values, or
  // those of a checkpoint, which may have been copied to master() itself. Errors as the other one.
  void load_master(const float* values, void* parameters, Stream stream = {});

  // Device [1]. What a checkpoint keeps: this and the moments, and the parameters, which for bf16 and f16
  // means the master.
  AdamWState* state() const { return state_.as<AdamWState>(); }
  void* first_moment() const { return first_moment_.data(); }    // device [n] dtype, f32 for bf16 and f16
  void* second_moment() const { return second_moment_.data(); }  // device [n] likewise
  float* master() const { return master_.as<float>(); }          // device [n]; null unless bf16 or f16

 private:
  void check_has_master() const;

  std::shared_ptr<Backend> backend_;
  AdamWDesc desc_;
  AdamWPlan plan_;
  Buffer first_moment_, second_moment_, master_, state_, workspace_;
  bool is_master_loaded_ = false;
};

}  // namespace ragtime
