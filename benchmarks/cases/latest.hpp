#pragma once

#include <memory>
#include <string>

namespace ragtime::benchmarks {

// What cases that stand side by side share. The latest of a kind is kept.
template <class Setup, class Make>
std::shared_ptr<const Setup> latest(const std::string& key, Make&& make) {
  static std::shared_ptr<const Setup> kept;
  static std::string kept_key;
  if (kept == nullptr || kept_key != key) {
    kept.reset();
    kept = std::make_shared<const Setup>(make());
    kept_key = key;
  }
  return kept;
}

}  // namespace ragtime::benchmarks
