// Codes of visits to rows: embedding and pooling, and the gradient of the table. Bytes of forward: the rows
// gathered, offsets, codes, what comes out; of backward: gradients in, codes, the whole table out.
// gather copies the same rows, one for each code, and no more: its rate is what pooling's is held against.

#include <cstring>

#include "benchmarks/cases/latest.hpp"
#include "benchmarks/cases/operations.hpp"
#include "benchmarks/cases/tensor.hpp"
#include "benchmarks/cases/workloads.hpp"
#include "ragtime/segment_pool.hpp"

#ifdef RAGTIME_BENCHMARKS_CUDA
#include "benchmarks/peers/gather.hpp"
#endif

namespace ragtime::benchmarks {
namespace {

// Everything of one plan, on one backend.
class Pooling {
 public:
  Pooling(const std::shared_ptr<Backend>& backend, const RaggedBatch& batch, const SegmentPoolDesc& desc,
          const std::vector<float>& table, const std::vector<std::vector<float>>& scorer,
          const std::vector<float>& d_out)
      : desc_(desc),
        plan_(backend, desc),
        segments_(upload(backend, std::vector<std::int32_t>{batch.layout.rows()})),
        offsets_(upload(backend, batch.code_offsets)),
        codes_(upload(backend, batch.codes)),
        table_(backend, table, desc.dtype),
        d_table_(backend, table_.count(), desc.dtype),
        out_(backend, static_cast<std::int64_t>(d_out.size()), desc.dtype),
        d_out_(backend, d_out, desc.dtype),
        workspace_(backend, plan_.workspace_bytes()),
        reserve_(backend, plan_.reserve_bytes()) {
    for (const auto& array : scorer) {
      scorer_.emplace_back(backend, array, desc.dtype);
      d_scorer_.emplace_back(backend, static_cast<std::int64_t>(array.size()), desc.dtype);
    }
  }

  void forward(Stream stream) const {
    SegmentPoolForward args;
    args.segments = segments_.as<std::int32_t>();
    args.offsets = offsets_.as<std::int32_t>();
    args.codes = codes_.as<std::int32_t>();
    args.values = table_.data();
    args.attention = attention();
    args.out = out_.data();
    args.workspace = workspace_.data();
    args.reserve = reserve_.data();
    plan_.forward(args, stream);
  }
  void backward(Stream stream) const {
    SegmentPoolBackward args;
    args.segments = segments_.as<std::int32_t>();
    args.offsets = offsets_.as<std::int32_t>();
    args.codes = codes_.as<std::int32_t>();
    args.values = table_.data();
    args.attention = attention();
    args.d_out = d_out_.data();
    args.d_values = d_table_.data();
    if (!d_scorer_.empty())
      args.d_attention = {d_scorer_[0].data(), d_scorer_[1].data(), d_scorer_[2].data(), d_scorer_[3].data()};
    args.workspace = workspace_.data();
    args.reserve = reserve_.data();
    plan_.backward(args, stream);
  }

  const Tensor& out() const { return out_; }
  const Tensor& d_table() const { return d_table_; }
  std::size_t bytes() const {
    return offsets_.bytes() + codes_.bytes() + table_.bytes() + d_table_.bytes() + out_.bytes() +
           d_out_.bytes() + reserve_.bytes();
  }

 private:
  AttentionWeights attention() const {
    if (scorer_.empty()) return {};
    return {scorer_[0].data(), scorer_[1].data(), scorer_[2].data(), scorer_[3].data()};
  }

  SegmentPoolDesc desc_;
  SegmentPoolPlan plan_;
  Buffer segments_, offsets_, codes_;
  Tensor table_, d_table_, out_, d_out_;
  std::vector<Tensor> scorer_, d_scorer_;
  Buffer workspace_, reserve_;
};

struct Setup {
  Setup(const Workload& workload, std::int64_t width, PoolMode mode, const Precision& own, DType reference)
      : precision(own), batch(coded_batch(workload)) {
    desc.dtype = own.dtype;
    desc.mode = mode;
    desc.width = width;
    desc.segments = batch.layout.rows();
    desc.items = static_cast<std::int64_t>(batch.codes.size());
    desc.vocab_size = workload.vocab_size;
    desc.padding_idx = 0;
    desc.attention_width = mode == PoolMode::attention ? width / 2 : 0;
    const auto values = [&](std::int64_t count, std::uint32_t stream, float scale) {
      return rounded(random_values(count, stream, scale), own.dtype);
    };
    table = values(workload.vocab_size * width, 1, 2);
    d_out = values(desc.segments * width, 2, 2);
    const std::int64_t attended = desc.attention_width;
    std::uint32_t stream = 3;
    if (attended > 0)
      for (const std::int64_t count : {attended * width, attended, attended, std::int64_t{1}})
        scorer.push_back(values(count, stream++, 0.2f));
    SegmentPoolDesc plain = desc;
    plain.dtype = reference;
    const Pooling expected(make_backend("cpu"), batch, plain, table, scorer, d_out);
    expected.forward({});
    expected.backward({});
    expected_out = expected.out().host();
    expected_d_table = expected.d_table().host();
  }

  Precision precision;
  RaggedBatch batch;
  SegmentPoolDesc desc;
  std::vector<float> table, d_out, expected_out, expected_d_table;
  std::vector<std::vector<float>> scorer;
};

class PoolWork final : public Work {
 public:
  PoolWork(const std::shared_ptr<Backend>& backend, std::shared_ptr<const Setup> setup, bool atomic,
           bool backward)
      : setup_(std::move(setup)),
        backward_(backward),
        pooling_(backend, setup_->batch, describe(*setup_, atomic), setup_->table, setup_->scorer,
                 setup_->d_out) {
    pooling_.forward({});  // what backward reads
    backend->synchronize();
  }
  void run(Stream stream) override {
    if (backward_)
      pooling_.backward(stream);
    else
      pooling_.forward(stream);
  }
  void clear() override { (backward_ ? pooling_.d_table() : pooling_.out()).clear(); }
  void verify() override {
    // Many values of either sign are added up for a common code, in other orders and roundings than here.
    if (backward_)
      expect_close(pooling_.d_table().host(), setup_->expected_d_table, setup_->precision.tolerance,
                   "d_table");
    else
      expect_close(pooling_.out().host(), setup_->expected_out, setup_->precision.tolerance, "out");
  }
  std::size_t bytes() const override { return pooling_.bytes(); }

 private:
  static SegmentPoolDesc describe(const Setup& setup, bool atomic) {
    SegmentPoolDesc desc = setup.desc;
    desc.atomic_gradients = atomic;
    return desc;
  }

  std::shared_ptr<const Setup> setup_;
  bool backward_;
  Pooling pooling_;
};

struct GatherSetup {
  GatherSetup(const Workload& workload, std::int64_t own_width, const Precision& own)
      : precision(own),
        width(own_width),
        codes(coded_batch(workload).codes),
        table(rounded(random_values(workload.vocab_size * width, 1, 2), own.dtype)) {}
  Precision precision;
  std::int64_t width;
  std::vector<std::int32_t> codes;
  std::vector<float> table;
};

class GatherWork final : public Work {
 public:
  GatherWork(const std::shared_ptr<Backend>& backend, std::shared_ptr<const GatherSetup> setup)
      : setup_(std::move(setup)),
        on_cuda_(backend->device() == DeviceType::cuda),
        codes_(upload(backend, setup_->codes)),
        table_(backend, setup_->table, setup_->precision.dtype),
        out_(backend, items() * setup_->width, setup_->precision.dtype) {}
  void run(Stream stream) override {
    const std::int64_t row_bytes =
        setup_->width * static_cast<std::int64_t>(size_of(setup_->precision.dtype));
#ifdef RAGTIME_BENCHMARKS_CUDA
    if (on_cuda_) {
      gather_on_cuda(codes_.as<std::int32_t>(), items(), row_bytes, table_.data(), out_.data(), stream);
      return;
    }
#endif
    static_cast<void>(stream);
    for (std::int64_t i = 0; i < items(); ++i)
      std::memcpy(static_cast<std::byte*>(out_.data()) + i * row_bytes,
                  static_cast<const std::byte*>(table_.data()) + codes_.as<std::int32_t>()[i] * row_bytes,
                  static_cast<std::size_t>(row_bytes));
  }
  void clear() override {
    out_.clear();
  }
  void verify() override {
    std::vector<float> expected(static_cast<std::size_t>(out_.count()));
    for (std::int64_t i = 0; i < items(); ++i)
      std::copy_n(setup_->table.begin() + setup_->codes[static_cast<std::size_t>(i)] * setup_->width,
                  setup_->width, expected.begin() + i * setup_->width);
    expect_close(out_.host(), expected, 0, "the rows");
  }
  std::size_t bytes() const override {
    return codes_.bytes() + table_.bytes() + out_.bytes();
  }

 private:
  std::int64_t items() const {
    return static_cast<std::int64_t>(setup_->codes.size());
  }

  std::shared_ptr<const GatherSetup> setup_;
  [[maybe_unused]] bool on_cuda_;
  Buffer codes_;
  Tensor table_, out_;
};

}  // namespace

std::vector<Case> segment_pool_cases(const std::shared_ptr<Backend>& backend, const Request& request) {
  const bool cuda = backend->device() == DeviceType::cuda;
  std::vector<Case> all;
  for (const Problem& problem : problems_of(request, *backend)) {
    const Workload& drawn = problem.workload;
    if (!drawn.has_codes()) continue;
    const RaggedBatch batch = coded_batch(drawn);
    const auto items = static_cast<double>(batch.codes.size()), rows = static_cast<double>(drawn.rows());
    for (const ModelSize& size : problem.sizes) {
      for (const Precision& precision : precisions()) {
        if (precision.tf32 || (!cuda && precision.name != "f32")) continue;
        Case one;
        one.workload = drawn.name;
        one.size = size.name;
        one.type = precision.name;
        one.algorithm = "gather";
        one.pass = "forward";
        one.shape = {
            {"N", drawn.rows()}, {"M", batch.codes.size()}, {"V", drawn.vocab_size}, {"E", size.input}};
        one.costs.rows = rows;
        one.costs.bytes =
            items * (4 + 2 * static_cast<double>(size.input) * static_cast<double>(size_of(precision.dtype)));
        one.quick = precision.name == "bf16" && size.name != "medium";
        one.peer = true;
        one.make = [=, width = size.input]() -> std::unique_ptr<Work> {
          return std::make_unique<GatherWork>(
              backend, latest<GatherSetup>(key_of(drawn) + key_of(size) + precision.name,
                                           [&] { return GatherSetup(drawn, width, precision); }));
        };
        all.push_back(one);
      }
      for (const PoolMode mode : {PoolMode::sum, PoolMode::mean, PoolMode::max, PoolMode::attention})
        for (const Precision& precision : precisions()) {
          if (precision.tf32 || (!cuda && precision.name != "f32")) continue;
          const double row = static_cast<double>(size.input) * static_cast<double>(size_of(precision.dtype));
          for (const bool backward : {false, true})
            for (const bool atomic : {false, true}) {
              if (atomic && !(backward && cuda)) continue;
              Case one;
              one.workload = drawn.name;
              one.size = size.name;
              one.type = precision.name;
              one.algorithm = std::string(name_of(mode)) + (atomic ? "_atomic" : "");
              one.pass = backward ? "backward" : "forward";
              one.shape = {
                  {"N", drawn.rows()}, {"M", batch.codes.size()}, {"V", drawn.vocab_size}, {"E", size.input}};
              one.costs.rows = rows;
              one.quick = precision.name == "bf16" && mode != PoolMode::sum && size.name != "medium";
              one.costs.bytes = 4 * (rows + items) + rows * row +
                                (backward ? static_cast<double>(drawn.vocab_size) : items) * row;
              one.make = [=, width = size.input]() -> std::unique_ptr<Work> {
                const std::string key = key_of(drawn) + key_of(size) + name_of(mode) + precision.name;
                return std::make_unique<PoolWork>(
                    backend,
                    latest<Setup>(
                        key, [&] { return Setup(drawn, width, mode, precision, reference_type(*backend)); }),
                    atomic, backward);
              };
              all.push_back(one);
            }
        }
    }
  }
  return all;
}

}  // namespace ragtime::benchmarks
