// A launch from beginning to end.

#include <algorithm>
#include <cstdio>
#include <memory>
#include <mutex>

#include "cuda/arch/simt/machine/machine.hpp"

namespace ragtime::simt {
namespace {

using FiberPointer = std::unique_ptr<Fiber>;

// For the next launch. Never destroyed: the sanitizers may still look at them when the program ends.
std::vector<FiberPointer>& idle_fibers() {
  static auto& fibers = *new std::vector<FiberPointer>;
  return fibers;
}

// The fibers of one launch. To ThreadSanitizer a fiber that serves two threads is one thread, so no fiber
// serves two threads of a launch, lest one of them be ordered behind the other by chance. It has not room for
// very many, though: above that, a block is ordered behind those that were done when it began.
class LaunchFibers {
 public:
  explicit LaunchFibers(std::size_t threads) {
    constexpr std::size_t most_at_once = 4096;
    ordered_ = !detects_races() || threads > most_at_once;
  }
  ~LaunchFibers() {
    for (FiberPointer& fiber : used_) idle_fibers().push_back(std::move(fiber));
  }

  bool ordered() const { return ordered_; }

  FiberPointer next() {
    FiberPointer fiber;
    if (idle_fibers().empty()) {
      fiber = std::make_unique<Fiber>();
      fiber->allocate_stack();
      fiber->watch();
    } else {
      fiber = std::move(idle_fibers().back());
      idle_fibers().pop_back();
    }
    fiber->prepare(thread_main);
    return fiber;
  }

  void give_back(FiberPointer fiber) { (ordered_ ? idle_fibers() : used_).push_back(std::move(fiber)); }

 private:
  std::vector<FiberPointer> used_;
  bool ordered_;
};

LaunchResult refusal(const std::string& reason) {
  static std::string text;
  text = reason;
  constexpr int invalid_configuration = 9;  // cudaErrorInvalidConfiguration
  return {invalid_configuration, text.c_str()};
}

std::string check(const LaunchConfig& config) {
  const auto number = [](std::size_t n) { return std::to_string(n); };
  const unsigned threads = config.block.count();
  if (threads == 0 || threads > 1024 || config.block.z > 64)
    return "a block of " + number(threads) + " threads";
  if (config.grid.count() == 0 || config.grid.y > 65535 || config.grid.z > 65535)
    return "a grid of " + number(config.grid.count()) + " blocks";
  if (config.cluster == 0 || config.cluster > 16 || (config.cluster & (config.cluster - 1)) != 0)
    return "a cluster of " + number(config.cluster) + " blocks";
  if (config.grid.x % config.cluster != 0)
    return number(config.grid.x) + " blocks along x do not make clusters of " + number(config.cluster);
  constexpr std::size_t most_shared = 227 * 1024;
  if (config.shared_bytes > most_shared)
    return number(config.shared_bytes) + " bytes of shared memory: more than " + number(most_shared);
  return "";
}

// The schedule that the seed has for this launch.
void draw_schedule() {
  machine.random = Random(machine.seed * 1'000'003 + machine.launch);
  const bool first = machine.seed == 0;
  machine.policy = first ? Policy::sequential : static_cast<Policy>(1 + machine.random.below(3));
  machine.delivery =
      first ? Machine::Eagerness::at_once : static_cast<Machine::Eagerness>(machine.random.below(3));
  machine.lanes = first ? Machine::Lanes::ascending : static_cast<Machine::Lanes>(machine.random.below(3));
  if (machine.options.policy) machine.policy = *machine.options.policy;
}

void prepare_threads(Block& block, LaunchFibers& fibers, unsigned cluster) {
  const Extent extent = machine.config.block;
  const unsigned count = extent.count();
  block.threads.resize(count);
  block.warps.resize((count + arch::warp_size - 1) / arch::warp_size);
  const std::uint64_t block_priority = machine.random.next() & 0xFFFF;
  for (Warp& warp : block.warps) {
    warp.index = static_cast<unsigned>(&warp - block.warps.data());
    warp.priority = machine.policy == Policy::priority
                        ? block_priority << 16 | (machine.random.next() & 0xFFFF)
                        : std::uint64_t{cluster * machine.config.cluster + block.rank} << 16 | warp.index;
  }
  for (unsigned rank = 0; rank < count; ++rank) {
    Thread& thread = block.threads[rank];
    thread.identity = {{rank % extent.x, rank / extent.x % extent.y, rank / extent.x / extent.y},
                       block.index,
                       rank,
                       rank % arch::warp_size,
                       block.rank};
    thread.block = &block;
    thread.warp = &block.warps[rank / arch::warp_size];
    thread.warp->lanes[rank % arch::warp_size] = &thread;
    thread.warp->alive |= 1u << rank % arch::warp_size;
    thread.fiber = fibers.next();
    if (detects_races()) thread.fiber->name(who(thread).c_str());  // for reports of races alone
    make_ready(thread);
  }
}

void start_cluster(unsigned index, LaunchFibers& fibers) {
  const LaunchConfig& config = machine.config;
  machine.clusters.push_back(std::make_unique<Cluster>());
  Cluster& cluster = *machine.clusters.back();
  const unsigned along_x = config.grid.x / config.cluster;
  for (unsigned rank = 0; rank < config.cluster; ++rank) {
    cluster.blocks.push_back(std::make_unique<Block>());
    Block& block = *cluster.blocks.back();
    block.cluster = &cluster;
    block.rank = rank;
    block.index = {index % along_x * config.cluster + rank, index / along_x % config.grid.y,
                   index / along_x / config.grid.y};
    block.alive = config.block.count();
    reserve_shared(block);
    prepare_threads(block, fibers, index);
  }
  cluster.alive = config.cluster * config.block.count();
  ++machine.clusters_started;
}

void free_cluster(Cluster& cluster, LaunchFibers& fibers) {
  for (auto& block : cluster.blocks) {
    free_shared(*block);
    for (Thread& thread : block->threads)
      if (thread.fiber != nullptr) fibers.give_back(std::move(thread.fiber));
  }
}

void retire_finished(LaunchFibers& fibers) {
  std::erase_if(machine.clusters, [&](auto& cluster) {
    if (cluster->alive != 0) return false;
    if (fibers.ordered()) {
      acquire(&machine.end_order);
      release(&machine.begin_order);
    }
    free_cluster(*cluster, fibers);
    return true;
  });
  machine.warp = nullptr;
}

// Lets every thread that has begun leave its kernel, so that nothing it holds is lost.
void unwind() {
  machine.unwinding = true;
  for (auto& cluster : machine.clusters)
    for (auto& block : cluster->blocks)
      for (Thread& thread : block->threads)
        if (thread.started && thread.state != Thread::State::exited) switch_to(&thread);
}

void run_clusters(LaunchFibers& fibers) {
  const LaunchConfig& config = machine.config;
  const unsigned total = config.grid.count() / config.cluster;
  std::vector<unsigned> order(total);
  for (unsigned i = 0; i < total; ++i) order[i] = i;
  unsigned at_once = total;
  if (!config.cooperative) {
    at_once =
        machine.seed == 0 ? 1 : 1 + machine.random.below(std::max(1u, machine.options.resident_clusters));
    if (machine.seed != 0)
      for (unsigned i = total; i > 1; --i) std::swap(order[i - 1], order[machine.random.below(i)]);
  }
  machine.clusters_total = total;
  while (machine.error.empty() && (machine.clusters_started < total || !machine.clusters.empty())) {
    while (machine.clusters_started < total && machine.clusters.size() < at_once)
      start_cluster(order[machine.clusters_started], fibers);
    if (Thread* const thread = pick()) switch_to(thread);
    if (machine.error.empty()) retire_finished(fibers);
  }
}

void begin(const LaunchConfig& config, const std::function<void()>& kernel) {
  machine.config = config;
  machine.kernel = &kernel;
  draw_schedule();
  machine.clusters_started = machine.clusters_total = 0;
  machine.warp = nullptr;
  machine.idle_rounds = 0;
  machine.switches = 0;
  machine.error.clear();
  machine.unwinding = false;
  machine.stopped = nullptr;
  machine.launcher.adopt_current();
  release(&machine.begin_order);
}

void end(LaunchFibers& fibers) {
  if (!machine.error.empty()) unwind();
  acquire(&machine.end_order);
  for (auto& cluster : machine.clusters) free_cluster(*cluster, fibers);
  machine.clusters.clear();
  machine.ready.clear();
  machine.spinning.clear();
  machine.messages.clear();
  machine.launcher.forget_current();
  machine.statistics.switches += machine.switches;
  ++machine.statistics.launches;
  ++machine.launch;
}

#ifdef RAGTIME_SIMT_ASAN
void say_who(const char*) {
  if (machine.running != nullptr)
    std::fprintf(stderr, "emulated kernel '%s', seed %llu, launch %llu: %s\n", machine.config.name,
                 static_cast<unsigned long long>(machine.seed),
                 static_cast<unsigned long long>(machine.launch), who(*machine.running).c_str());
}
#endif

}  // namespace

LaunchResult run(const LaunchConfig& config, const std::function<void()>& kernel) {
  static std::mutex one_at_a_time;
  static thread_local bool launching = false;
  if (launching) throw Error(std::string("kernel '") + config.name + "' is launched from within a kernel");
  if (const std::string reason = check(config); !reason.empty())
    return refusal(std::string("kernel '") + config.name + "': " + reason);
  const std::lock_guard lock(one_at_a_time);
#ifdef RAGTIME_SIMT_ASAN
  __asan_set_error_report_callback(say_who);
#endif
  launching = true;
  std::string error;
  {
    const Unwatched unwatched;
    LaunchFibers fibers(std::size_t{config.grid.count()} * config.block.count());
    begin(config, kernel);
    try {
      run_clusters(fibers);
    } catch (const std::exception& exception) {
      record(exception.what());
    }
    end(fibers);
    error = machine.error;
  }
  launching = false;
  if (!error.empty()) throw Error(error);
  return {};
}

const Identity& identity() {
  if (machine.running == nullptr) throw Error("a device primitive is used outside of a kernel");
  return machine.running->identity;
}
const LaunchConfig& launched() {
  return machine.config;
}

Options& options() {
  return machine.options;
}
const Statistics& statistics() {
  return machine.statistics;
}
void set_seed(std::uint64_t seed) {
  machine.seed = seed;
  machine.launch = 0;
}
void stop_launch(const char* why) {
  machine.stopped = why;
}
bool detects_races() {
#ifdef RAGTIME_SIMT_TSAN
  return true;
#else
  return false;
#endif
}

}  // namespace ragtime::simt
