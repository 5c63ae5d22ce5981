#include "benchmarks/peers/lstm_cudnn.hpp"

#include "benchmarks/peers/cudnn_peer.hpp"

namespace ragtime::benchmarks {
namespace {

// Where each ragged row stands in cuDNN's arrays.
struct Places {
  std::vector<std::int64_t> of_row;  // [N]
  std::int64_t rows = 0;             // of the array
};

Places packed_places(const RaggedLayout& layout) {
  Places places{std::vector<std::int64_t>(static_cast<std::size_t>(layout.rows())), layout.rows()};
  std::int64_t row = 0;
  for (std::int32_t t = 0; t < layout.steps(); ++t)
    for (std::int32_t i = 0; i < layout.batch_sizes[static_cast<std::size_t>(t)]; ++i) {
      const auto b = static_cast<std::size_t>(layout.order[static_cast<std::size_t>(i)]);
      places.of_row[static_cast<std::size_t>(layout.visit_offsets[b] + t)] = row++;
    }
  return places;
}

Places padded_places(const RaggedLayout& layout) {
  const std::int64_t sequences = layout.sequences();
  Places places{std::vector<std::int64_t>(static_cast<std::size_t>(layout.rows())),
                sequences * layout.steps()};
  for (std::int32_t b = 0; b < layout.sequences(); ++b)
    for (std::int32_t t = 0; t < layout.length(b); ++t)
      places.of_row[static_cast<std::size_t>(layout.visit_offsets[static_cast<std::size_t>(b)] + t)] =
          t * sequences + b;
  return places;
}

std::vector<float> placed(const std::vector<float>& ragged, const Places& places, std::int64_t width) {
  std::vector<float> rows(static_cast<std::size_t>(places.rows * width));
  for (std::size_t n = 0; n < places.of_row.size(); ++n)
    std::copy_n(ragged.begin() + static_cast<std::int64_t>(n) * width, width,
                rows.begin() + places.of_row[n] * width);
  return rows;
}
std::vector<float> ragged(const std::vector<float>& rows, const Places& places, std::int64_t width) {
  std::vector<float> result(places.of_row.size() * static_cast<std::size_t>(width));
  for (std::size_t n = 0; n < places.of_row.size(); ++n)
    std::copy_n(rows.begin() + places.of_row[n] * width, width,
                result.begin() + static_cast<std::int64_t>(n) * width);
  return result;
}

class CudnnLstm final : public Work {
 public:
  CudnnLstm(const std::shared_ptr<Backend>& backend, std::shared_ptr<const LstmSetup> setup,
            const CudnnChoice& choice, bool backward)
      : setup_(std::move(setup)),
        backward_(backward),
        places_(choice.padded ? padded_places(setup_->layout()) : packed_places(setup_->layout())),
        peer_(backend, describe(*setup_, choice, backward),
              upload_weights(backend, setup_->weights(), setup_->precision().dtype).pointers()) {
    const DType dtype = setup_->precision().dtype;
    x_ = Tensor(backend, placed(setup_->x(), places_, setup_->size().input), dtype);
    y_ = Tensor(backend, places_.rows * setup_->size().hidden, dtype);
    if (!backward) return;
    d_y_ = Tensor(backend, placed(setup_->d_y(), places_, setup_->size().hidden), dtype);
    d_x_ = Tensor(backend, x_.count(), dtype);
  }

  void run(Stream stream) override {
    peer_.forward(x_.data(), y_.data(), stream);
    if (backward_) peer_.backward(x_.data(), y_.data(), d_y_.data(), d_x_.data(), stream);
  }
  void clear() override {
    y_.clear();
    if (backward_) d_x_.clear();
  }
  void verify() override {
    setup_->verify(ragged(y_.host(), places_, setup_->size().hidden),
                   backward_ ? ragged(d_x_.host(), places_, setup_->size().input) : std::vector<float>());
  }
  std::size_t bytes() const override {
    return peer_.bytes() + x_.bytes() + y_.bytes() + (backward_ ? d_x_.bytes() + d_y_.bytes() : 0);
  }

 private:
  static CudnnPeerDesc describe(const LstmSetup& setup, const CudnnChoice& choice, bool backward) {
    CudnnPeerDesc desc;
    desc.algorithm = choice.algorithm;
    desc.padded = choice.padded;
    desc.dtype = setup.precision().dtype;
    desc.tf32 = setup.precision().tf32;
    desc.input_size = setup.size().input;
    desc.hidden_size = setup.size().hidden;
    desc.num_layers = setup.size().layers;
    desc.training = backward;
    const RaggedLayout& layout = setup.layout();
    for (const std::int32_t b : layout.order)
      desc.lengths.push_back(choice.full ? layout.steps() : layout.length(b));
    if (choice.padded && !choice.full)
      for (std::int32_t b = 0; b < layout.sequences(); ++b)
        desc.lengths[static_cast<std::size_t>(b)] = layout.length(b);
    return desc;
  }

  std::shared_ptr<const LstmSetup> setup_;
  bool backward_;
  Places places_;
  CudnnPeer peer_;
  Tensor x_, y_, d_y_, d_x_;
};

}  // namespace

std::vector<CudnnChoice> cudnn_choices() {
  std::vector<CudnnChoice> choices = {{"standard", false, false}};
  for (const char* algorithm : {"standard", "persist_static", "persist_dynamic", "persist_static_small_h"})
    for (const bool full : {false, true}) choices.push_back({algorithm, true, full});
  return choices;
}

std::unique_ptr<Work> make_cudnn_lstm(const std::shared_ptr<Backend>& backend,
                                      std::shared_ptr<const LstmSetup> setup, const CudnnChoice& choice,
                                      bool backward) {
  return std::make_unique<CudnnLstm>(backend, std::move(setup), choice, backward);
}

}  // namespace ragtime::benchmarks
