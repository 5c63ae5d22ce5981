#include "host/cpu/parallel.hpp"

#include <pthread.h>

#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <mutex>
#include <new>
#include <thread>
#include <vector>

#include "ragtime/backend.hpp"

namespace ragtime {
namespace cpu {
namespace {

int default_threads() {
  if (const char* text = std::getenv("RAGTIME_THREADS")) {
    const long asked = std::strtol(text, nullptr, 10);
    if (asked >= 1 && asked <= 1024) return static_cast<int>(asked);
  }
  const unsigned cores = std::thread::hardware_concurrency();
  return cores > 0 ? static_cast<int>(cores) : 1;
}

// Helpers sleep between jobs. A job is published under the mutex; its items are drawn from an atomic counter.
class Pool {
 public:
  ~Pool() { stop(); }

  void resize(int threads) {
    const std::lock_guard running(running_);
    stop();
    threads_ = threads > 0 ? threads : default_threads();
  }

  int threads() const { return threads_; }

  // In a child of fork: its parent's helpers are not there, and what they held nobody gives back. A pool as
  // new.
  void after_fork() {
    const int threads = threads_;
    new (this) Pool;
    threads_ = threads;
  }

  void run(std::int64_t count, void (*body)(void*, std::int64_t), void* context) {
    std::unique_lock running(running_, std::defer_lock);
    if (count <= 1 || threads_ == 1 || inside_ || !running.try_lock()) {
      for (std::int64_t i = 0; i < count; ++i) body(context, i);
      return;
    }
    start();
    {
      const std::lock_guard lock(mutex_);
      body_ = body;
      context_ = context;
      count_ = count;
      next_.store(0, std::memory_order_relaxed);
      active_ = static_cast<int>(helpers_.size());
      ++job_;
    }
    wake_.notify_all();
    draw();
    std::unique_lock lock(mutex_);
    idle_.wait(lock, [&] { return active_ == 0; });
  }

 private:
  void draw() {
    inside_ = true;
    for (std::int64_t i; (i = next_.fetch_add(1, std::memory_order_relaxed)) < count_;) body_(context_, i);
    inside_ = false;
  }

  void start() {
    while (static_cast<int>(helpers_.size()) < threads_ - 1)
      helpers_.emplace_back([this, seen = job_]() mutable {
        std::unique_lock lock(mutex_);
        for (;;) {
          wake_.wait(lock, [&] { return stopping_ || job_ != seen; });
          if (stopping_) return;
          seen = job_;
          lock.unlock();
          draw();
          lock.lock();
          if (--active_ == 0) idle_.notify_one();
        }
      });
  }

  void stop() {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    wake_.notify_all();
    for (auto& helper : helpers_) helper.join();
    helpers_.clear();
    stopping_ = false;
  }

  static thread_local bool inside_;
  std::atomic<int> threads_{default_threads()};
  std::mutex running_;  // one job at a time
  std::mutex mutex_;
  std::condition_variable wake_, idle_;
  std::vector<std::thread> helpers_;
  std::atomic<std::int64_t> next_{0};
  void (*body_)(void*, std::int64_t) = nullptr;
  void* context_ = nullptr;
  std::int64_t count_ = 0;
  std::uint64_t job_ = 0;
  int active_ = 0;
  bool stopping_ = false;
};

thread_local bool Pool::inside_ = false;

Pool& pool() {
  static Pool instance;
  static const int registered = pthread_atfork(nullptr, nullptr, [] { pool().after_fork(); });
  (void)registered;
  return instance;
}

}  // namespace

void parallel_for(std::int64_t count, void (*body)(void* context, std::int64_t i), void* context) {
  pool().run(count, body, context);
}

}  // namespace cpu

void set_cpu_threads(int threads) {
  cpu::pool().resize(threads);
}
int cpu_threads() {
  return cpu::pool().threads();
}

}  // namespace ragtime
