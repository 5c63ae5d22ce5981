#include "benchmarks/measure/measure.hpp"

#include <algorithm>
#include <new>

#include "ragtime/error.hpp"

namespace ragtime::benchmarks {
namespace {

constexpr double batch_seconds = 2e-3;  // launches between two events: at least so long together
constexpr std::size_t most_sets = 16;

class OwnStream {
 public:
  explicit OwnStream(std::shared_ptr<Backend> backend)
      : backend_(std::move(backend)), stream_(backend_->make_stream()) {}
  ~OwnStream() { backend_->free_stream(stream_); }
  OwnStream(const OwnStream&) = delete;
  OwnStream& operator=(const OwnStream&) = delete;
  operator Stream() const { return stream_; }

 private:
  std::shared_ptr<Backend> backend_;
  Stream stream_;
};

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const std::size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

}  // namespace

std::string Measurement::name() const {
  std::string name = operation;
  for (const std::string& part : {what.workload, what.size, what.type, what.algorithm, what.pass,
                                  std::string(graph ? "graph" : "stream")})
    name += "/" + part;
  return name;
}

std::vector<Measurement> measurements_of(const std::string& operation, const std::vector<Case>& cases,
                                         const Backend& backend) {
  std::vector<Measurement> measurements;
  for (const Case& what : cases) {
    measurements.push_back({operation, what, false});
    if (is_gpu(backend)) measurements.push_back({operation, what, true});
  }
  return measurements;
}

struct Prepared::State {
  State(Measurement& measurement, const std::shared_ptr<Backend>& backend, std::size_t second_level)
      : backend_(backend), stream_(backend), timer_(backend->device()) {
    works_.push_back(measurement.what.make());
    measurement.record.about = works_[0]->about();
    const std::size_t bytes = std::max<std::size_t>(works_[0]->bytes(), 1);
    const std::size_t sets = std::min(most_sets, 2 * second_level / bytes + 1);
    while (works_.size() < sets) works_.push_back(measurement.what.make());
    if (measurement.graph)
      for (const auto& work : works_) {
        // The first run of something loads and chooses what a capture cannot.
        work->run(stream_);
        backend_->synchronize(stream_);
        graphs_.emplace_back(stream_, [&] { work->run(stream_); });
      }
    for (std::size_t i = 0; i < works_.size(); ++i) {
      works_[i]->clear();
      launch();
      backend_->synchronize(stream_);
      works_[i]->verify();
    }
    measurement.record.sets = works_.size();
    while (time(batch_) < batch_seconds && batch_ < (1 << 20)) batch_ *= 2;
  }

  double time(std::int64_t count) {
    timer_.start(stream_);
    for (std::int64_t i = 0; i < count; ++i) launch();
    timer_.stop(stream_);
    return timer_.seconds();
  }

  void launch() {
    const std::size_t turn = turn_++ % works_.size();
    if (graphs_.empty())
      works_[turn]->run(stream_);
    else
      graphs_[turn].launch(stream_);
  }

  std::shared_ptr<Backend> backend_;
  OwnStream stream_;
  Timer timer_;
  std::vector<std::unique_ptr<Work>> works_;
  std::vector<Graph> graphs_;
  std::size_t turn_ = 0;
  std::int64_t batch_ = 1;
};

Prepared::Prepared(Measurement& measurement, const std::shared_ptr<Backend>& backend,
                   std::size_t second_level)
    : state_(std::make_unique<State>(measurement, backend, second_level)) {}
Prepared::~Prepared() = default;
std::int64_t Prepared::batch() const {
  return state_->batch_;
}
double Prepared::time(std::int64_t count) {
  return state_->time(count);
}

void note_failure(Measurement& measurement, const std::function<void()>& run) {
  Record& record = measurement.record;
  try {
    run();
  } catch (const Error& error) {
    record.reason = error.what();
    // cuDNN has several ways to refuse.
    record.unsupported = error.code() == ErrorCode::unsupported || measurement.what.peer;
  } catch (const std::bad_alloc&) {
    record.reason = "the host has no memory left";
  } catch (const std::exception& error) {
    record.reason = error.what();
  }
}

void measure(Measurement& measurement, const std::shared_ptr<Backend>& backend, std::size_t second_level,
             int repetitions, double seconds) {
  note_failure(measurement, [&] {
    Prepared prepared(measurement, backend, second_level);
    for (int repetition = 0; repetition < repetitions; ++repetition) {
      double passed = 0;
      std::int64_t launches = 0;
      do {
        passed += prepared.time(prepared.batch());
        launches += prepared.batch();
      } while (passed < seconds);
      measurement.record.milliseconds.push_back(passed / static_cast<double>(launches) * 1e3);
    }
  });
}

nlohmann::ordered_json row_of(const Measurement& measurement, const Ceilings& ceilings,
                              const Origin& origin) {
  const Case& what = measurement.what;
  const Record& record = measurement.record;
  nlohmann::ordered_json row;
  row["operation"] = measurement.operation;
  row["workload"] = what.workload;
  row["size"] = what.size;
  row["shape"] = what.shape;
  row["dtype"] = what.type;
  row["algorithm"] = what.algorithm;
  row["pass"] = what.pass;
  row["launch"] = measurement.graph ? "graph" : "stream";
  if (!record.about.is_null()) row.update(record.about);
  if (!record.reason.empty() || record.milliseconds.empty()) {
    row["supported"] = !record.unsupported;
    row["reason"] = record.reason;
  } else {
    const double ms = median(record.milliseconds), seconds = ms * 1e-3;
    const auto [least, most] = std::minmax_element(record.milliseconds.begin(), record.milliseconds.end());
    row["supported"] = true;
    row["verified"] = true;
    row["ms"] = ms;
    row["ms_min"] = *least;
    row["ms_max"] = *most;
    row["repetitions"] = record.milliseconds.size();
    row["sets"] = record.sets;
    if (what.costs.longest > 0) row["us_per_step"] = seconds * 1e6 / what.costs.longest;
    if (what.costs.rows > 0) row["ns_per_row"] = seconds * 1e9 / what.costs.rows;
    if (what.costs.bytes > 0) row["gb_per_s"] = what.costs.bytes / seconds * 1e-9;
    if (what.costs.flops > 0) row["tflop_per_s"] = what.costs.flops / seconds * 1e-12;
    if (what.costs.bytes > 0 && ceilings.bytes_per_second)
      row["share_of_bandwidth"] = what.costs.bytes / seconds / *ceilings.bytes_per_second;
    if (const auto floor = floor_of(what.costs, ceilings, what.products)) {
      row["floor_ms"] = floor->seconds * 1e3;
      row["floor_from"] = floor->from;
      row["share_of_floor"] = floor->seconds / seconds;
    }
  }
  row["device"] = origin.facts.name;
  if (!origin.facts.driver.empty()) row["driver"] = origin.facts.driver;
  if (!origin.commit.empty()) row["commit"] = origin.commit;
  row["command"] = origin.command;
  return row;
}

}  // namespace ragtime::benchmarks
