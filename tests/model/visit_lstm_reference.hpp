#pragma once

// The whole model once more, for inference: plain loops in double written from the formulas, patient by
// patient.

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "ragtime/ragged_batch.hpp"
#include "ragtime/visit_lstm.hpp"

namespace ragtime::test {

class ReferenceModel {
 public:
  using Vector = std::vector<double>;

  template <class T>
  ReferenceModel(const VisitLstm& model, const T* flat) : config_(model.config()) {
    for (const ParameterInfo& parameter : model.parameters())
      values_[parameter.name] = Vector(flat + parameter.offset, flat + parameter.offset + parameter.elements);
  }

  // Logits of one patient: [K], or [visits, K] for a visit-level task.
  Vector logits(const PatientVisits& visits) const {
    std::vector<Vector> rows;
    for (const VisitCodes& codes : visits) rows.push_back(pool(codes));
    Vector final_state;
    for (std::int64_t layer = 0; layer < config_.num_layers; ++layer) {
      const std::string suffix = "_l" + std::to_string(layer);
      std::vector<Vector> y = walk(rows, suffix);
      final_state = y.back();
      if (config_.bidirectional) {
        std::vector<Vector> backwards = rows;
        std::reverse(backwards.begin(), backwards.end());
        std::vector<Vector> reverse = walk(backwards, suffix + "_reverse");
        append(final_state, reverse.back());
        std::reverse(reverse.begin(), reverse.end());
        for (std::size_t t = 0; t < y.size(); ++t) append(y[t], reverse[t]);
      }
      rows = y;
    }
    if (is_patient_level(config_.task)) return linear("fc", final_state);
    Vector all;
    for (const Vector& row : rows) append(all, linear("fc", row));
    return all;
  }

 private:
  static void append(Vector& to, const Vector& from) { to.insert(to.end(), from.begin(), from.end()); }

  Vector times(const std::string& weight, const Vector& x) const {
    const Vector& w = values_.at(weight);
    Vector y(w.size() / x.size(), 0.0);
    for (std::size_t i = 0; i < w.size(); ++i) y[i / x.size()] += w[i] * x[i % x.size()];
    return y;
  }
  Vector linear(const std::string& module, const Vector& x) const {
    Vector y = times(module + ".weight", x);
    for (std::size_t i = 0; i < y.size(); ++i) y[i] += values_.at(module + ".bias")[i];
    return y;
  }

  double score(const Vector& row) const {
    Vector hidden = linear("visit_encoder.attention.0", row);
    for (double& value : hidden) value = std::tanh(value);
    return linear("visit_encoder.attention.2", hidden)[0];
  }

  Vector pool(const VisitCodes& codes) const {
    const std::size_t width = static_cast<std::size_t>(config_.embedding_dim);
    std::vector<Vector> rows;
    for (const std::int32_t code : codes) {
      const auto first = values_.at("embedding.weight").begin() + code * config_.embedding_dim;
      rows.emplace_back(first, first + config_.embedding_dim);
    }
    Vector out(width, 0.0), share(rows.size(), 1.0);
    double total = 0;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      if (config_.visit_aggregation == PoolMode::attention) share[i] = std::exp(score(rows[i]));
      total += share[i];
    }
    for (std::size_t i = 0; i < rows.size(); ++i)
      for (std::size_t e = 0; e < width; ++e) {
        if (config_.visit_aggregation == PoolMode::max)
          out[e] = i == 0 ? rows[i][e] : std::max(out[e], rows[i][e]);
        else if (config_.visit_aggregation == PoolMode::sum)
          out[e] += rows[i][e];
        else
          out[e] += share[i] / total * rows[i][e];
      }
    return out;
  }

  std::vector<Vector> walk(const std::vector<Vector>& rows, const std::string& suffix) const {
    const std::size_t width = static_cast<std::size_t>(config_.hidden_dim);
    const auto sigmoid = [](double value) { return 1 / (1 + std::exp(-value)); };
    Vector h(width, 0.0), c(width, 0.0);
    std::vector<Vector> all;
    for (const Vector& x : rows) {
      const Vector a = times("lstm.weight_ih" + suffix, x), b = times("lstm.weight_hh" + suffix, h);
      const Vector& bias_ih = values_.at("lstm.bias_ih" + suffix);
      const Vector& bias_hh = values_.at("lstm.bias_hh" + suffix);
      const auto gate = [&](std::size_t j) { return a[j] + b[j] + bias_ih[j] + bias_hh[j]; };
      for (std::size_t u = 0; u < width; ++u) {
        c[u] = sigmoid(gate(width + u)) * c[u] + sigmoid(gate(u)) * std::tanh(gate(2 * width + u));
        h[u] = sigmoid(gate(3 * width + u)) * std::tanh(c[u]);
      }
      all.push_back(h);
    }
    return all;
  }

  ModelConfig config_;
  std::map<std::string, Vector> values_;
};

}  // namespace ragtime::test
