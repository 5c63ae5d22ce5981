// The LSTM layer: ragtime on ragged rows, by every algorithm it has of its own, and cuDNN called directly, on
// packed rows and on padded ones with every algorithm it has, "not supported" where it says so. Padded with
// lengths, and full, as if every sequence were as long as the longest, which some algorithms insist on.
//
// persistent is cut as the cost model says; persistent_any_batch is the same on a batch of which the host
// knows nothing, as one that replays a graph over any batch must have it, its products over the capacity,
// which is that of the workload. With --sweep also persistent_cC_sS, every cut that can be forced: C blocks
// of a cluster and S sequences at once. What a row says of the choice is the model's prediction for the
// recurrence, without the products before and after, which all of them have alike.

#include "benchmarks/cases/lstm_setup.hpp"
#include "benchmarks/cases/operations.hpp"
#include "benchmarks/measure/device.hpp"
#include "ragtime/error.hpp"

#ifdef RAGTIME_BENCHMARKS_CUDA
#include "benchmarks/peers/lstm_cudnn.hpp"
#endif

namespace ragtime::benchmarks {
namespace {

using DeviceWeights = LstmStack<Tensor, LstmWeights>;
using DeviceGradients = LstmStack<Tensor, LstmGradients>;

struct OwnChoice {
  LstmAlgorithm algorithm = LstmAlgorithm::automatic;
  LstmCut cut = {};        // 0: as the cost model says
  bool any_batch = false;  // the host does not know the batch
  std::string name() const {
    std::string name = name_of(algorithm);
    if (cut.cluster > 0) name += "_c" + std::to_string(cut.cluster) + "_s" + std::to_string(cut.slots);
    return name + (any_batch ? "_any_batch" : "");
  }
  LstmDesc applied_to(LstmDesc desc) const {
    desc.algorithm = algorithm;
    desc.cluster = cut.cluster;
    desc.slots = cut.slots;
    desc.rows_on_host = !any_batch;
    return desc;
  }
};

nlohmann::ordered_json row_of(const LstmPassChoice& pass) {
  nlohmann::ordered_json row;
  row["algorithm"] = name_of(pass.algorithm);
  if (pass.algorithm == LstmAlgorithm::persistent) {
    row["hidden"] = pass.hidden;
    row["cluster"] = pass.cluster;
    row["slots"] = pass.slots;
    row["clusters"] = pass.clusters;
    row["grid"] = pass.grid;
  }
  if (pass.us > 0) {
    row["steps"] = pass.steps;
    row["us_per_step"] = pass.us_per_step;
    row["us"] = pass.us;
  }
  return row;
}

class RagtimeLstm final : public Work {
 public:
  RagtimeLstm(const std::shared_ptr<Backend>& backend, std::shared_ptr<const LstmSetup> setup,
              const OwnChoice& own, bool backward)
      : backend_(backend),
        setup_(std::move(setup)),
        backward_(backward),
        batch_(backend),
        plan_(backend, own.applied_to(setup_->desc(backward))),
        weights_(upload_weights(backend, setup_->weights(), setup_->precision().dtype)),
        weight_pointers_(weights_.pointers()),
        x_(backend, setup_->x(), setup_->precision().dtype),
        y_(backend, static_cast<std::int64_t>(setup_->d_y().size()), setup_->precision().dtype),
        workspace_(backend, plan_.workspace_bytes()),
        reserve_(backend, plan_.reserve_bytes()) {
    const DType dtype = setup_->precision().dtype;
    if (own.any_batch) batch_.fix(plan_.desc().capacity);
    batch_.load(setup_->layout());
    backend->synchronize();
    forward_args_.batch = batch_.view();
    forward_args_.x = x_.data();
    forward_args_.weights = weight_pointers_.data();
    forward_args_.y = y_.data();
    forward_args_.workspace = workspace_.data();
    forward_args_.reserve = reserve_.data();
    if (!backward) return;
    d_y_ = Tensor(backend, setup_->d_y(), dtype);
    d_x_ = Tensor(backend, x_.count(), dtype);
    for (const Tensor& weight : weights_.arrays)
      gradients_.arrays.emplace_back(backend, weight.count(), dtype);
    gradient_pointers_ = gradients_.pointers();
    backward_args_.batch = batch_.view();
    backward_args_.x = x_.data();
    backward_args_.weights = weight_pointers_.data();
    backward_args_.y = y_.data();
    backward_args_.d_y = d_y_.data();
    backward_args_.d_x = d_x_.data();
    backward_args_.gradients = gradient_pointers_.data();
    backward_args_.workspace = workspace_.data();
    backward_args_.reserve = reserve_.data();
  }

  void run(Stream stream) override {
    plan_.forward(forward_args_, stream);
    if (backward_) plan_.backward(backward_args_, stream);
  }
  void clear() override {
    y_.clear();
    if (!backward_) return;
    d_x_.clear();
    for (const Tensor& gradient : gradients_.arrays) gradient.clear();
  }
  void verify() override {
    setup_->verify(y_.host(), backward_ ? d_x_.host() : std::vector<float>());
    if (backward_) setup_->verify_gradients(backend_, gradients_);
  }
  std::size_t bytes() const override {
    const std::size_t weights =
        static_cast<std::size_t>(setup_->weight_count()) * size_of(setup_->precision().dtype);
    return x_.bytes() + y_.bytes() + weights +
           (backward_ ? d_x_.bytes() + d_y_.bytes() + weights + reserve_.bytes() : 0);
  }
  nlohmann::ordered_json about() const override {
    const LstmChoice choice = plan_.choice();
    nlohmann::ordered_json about;
    about["forward_choice"] = row_of(choice.forward);
    if (backward_) about["backward_choice"] = row_of(choice.backward);
    if (choice.forward.us > 0) {
      about["predicted_us"] = choice.forward.us + choice.backward.us;
      about["predicted_from"] = choice.costs;
    }
    return about;
  }

 private:
  std::shared_ptr<Backend> backend_;
  std::shared_ptr<const LstmSetup> setup_;
  bool backward_;
  DeviceBatch batch_;
  LstmPlan plan_;
  DeviceWeights weights_;
  DeviceGradients gradients_;
  std::vector<LstmWeights> weight_pointers_;
  std::vector<LstmGradients> gradient_pointers_;
  Tensor x_, y_, d_y_, d_x_;
  Buffer workspace_, reserve_;
  LstmForward forward_args_;
  LstmBackward backward_args_;
};

// Every cut of the persistent algorithm that such a plan can be forced to; none where it has none.
std::vector<LstmCut> cuts_of(const std::shared_ptr<Backend>& backend, LstmDesc desc) {
  desc.algorithm = LstmAlgorithm::persistent;
  try {
    return LstmPlan(backend, desc).choice().cuts;
  } catch (const Error& error) {
    if (error.code() != ErrorCode::unsupported) throw;
    return {};
  }
}

std::vector<OwnChoice> own_choices(const std::shared_ptr<Backend>& backend, const LstmDesc& desc,
                                   const Request& request) {
  std::vector<OwnChoice> choices;
  if (backend->device() != DeviceType::cuda) {
    if (!request.cut) choices.push_back({});
    return choices;
  }
  if (!request.cut)
    choices = {{LstmAlgorithm::stepwise}, {LstmAlgorithm::persistent}, {LstmAlgorithm::persistent, {}, true}};
  const auto matches = [](int wanted, int is) { return wanted == 0 || wanted == is; };
  if (request.sweep || request.cut)
    for (const LstmCut& cut : cuts_of(backend, desc))
      if (!request.cut ||
          (matches(request.cut->cluster, cut.cluster) && matches(request.cut->slots, cut.slots)))
        choices.push_back({LstmAlgorithm::persistent, cut});
  return choices;
}

// Which of the combinations the design's table of aims has, and the smallest for tests.
bool has_aim(const std::string& workload, const std::string& size) {
  if (workload == "large") return size == "large";
  return size != "large";
}

}  // namespace

std::vector<Case> lstm_cases(const std::shared_ptr<Backend>& backend, const Request& request) {
  const bool cuda = backend->device() == DeviceType::cuda;
  std::vector<Case> all;
  for (const Problem& problem : problems_of(request, *backend)) {
    const Workload& drawn = problem.workload;
    for (const ModelSize& size : problem.sizes)
      for (const Precision& precision : precisions()) {
        if (!cuda && precision.name != "f32") continue;
        for (const bool backward : {false, true}) {
          Case base;
          base.workload = drawn.name;
          base.size = size.name;
          base.type = precision.name;
          base.pass = backward ? "forward_backward" : "forward";
          base.shape = {{"B", drawn.lengths.size()}, {"N", drawn.rows()},     {"T", drawn.longest()},
                        {"input", size.input},       {"hidden", size.hidden}, {"layers", size.layers}};
          base.costs = lstm_costs(drawn, size, precision, backward);
          base.products = precision.dtype != DType::f32;
          base.quick = backward && precision.name == "bf16" && has_aim(drawn.name, size.name);
          const auto add = [&](const std::string& algorithm, const auto& make) {
            Case one = base;
            one.algorithm = algorithm;
            one.peer = algorithm.starts_with("cudnn_");
            one.make = [=] { return make(lstm_setup(drawn, size, precision, reference_type(*backend))); };
            all.push_back(one);
          };
          const Capacity capacity = capacity_of(RaggedLayout::from_lengths(drawn.lengths));
          for (const OwnChoice& own :
               own_choices(backend, lstm_desc(size, precision, capacity, backward), request))
            add(own.name(), [=](const std::shared_ptr<const LstmSetup>& setup) -> std::unique_ptr<Work> {
              return std::make_unique<RagtimeLstm>(backend, setup, own, backward);
            });
#ifdef RAGTIME_BENCHMARKS_CUDA
          if (!cuda) continue;
          for (const CudnnChoice& choice : cudnn_choices())
            add(choice.name(), [=](const std::shared_ptr<const LstmSetup>& setup) {
              return make_cudnn_lstm(backend, setup, choice, backward);
            });
#endif
        }
      }
  }
  return all;
}

}  // namespace ragtime::benchmarks
