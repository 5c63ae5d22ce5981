#pragma once

// The state of a launch: clusters of blocks of warps of threads, who can run, what is under way. One launch
// at a time, so there is one machine.

#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "cuda/arch/simt/machine/device.hpp"
#include "cuda/arch/simt/machine/fiber.hpp"
#include "cuda/arch/simt/simt.hpp"

namespace ragtime::simt {

struct Block;
struct Cluster;
struct Thread;

// xorshift64*
class Random {
 public:
  explicit Random(std::uint64_t seed = 1) : state_(seed * 0x9E3779B97F4A7C15u + 0x1234567) {
    for (int i = 0; i < 4; ++i) next();
  }
  std::uint32_t next() {
    state_ ^= state_ >> 12;
    state_ ^= state_ << 25;
    state_ ^= state_ >> 27;
    return static_cast<std::uint32_t>((state_ * 0x2545F4914F6CDD1Du) >> 32);
  }
  std::uint32_t below(std::size_t limit) { return next() % static_cast<std::uint32_t>(limit); }
  bool once_in(unsigned n) { return next() % n == 0; }

 private:
  std::uint64_t state_;
};

// Lanes of one warp that meet in one operation.
struct Meeting {
  const char* operation = "";
  std::uint32_t mask = 0, arrived = 0;
  Site site;
  void* arguments[arch::warp_size] = {};  // by lane
};

struct Warp {
  unsigned index = 0;
  std::uint32_t alive = 0, ready = 0;  // lanes
  Thread* lanes[arch::warp_size] = {};
  std::vector<Meeting> meetings;
  int place = -1;              // among the machine's ready warps
  std::uint64_t priority = 0;  // the policy's
  char order = 0;              // what warp_sync releases to and acquires from
};

struct Copy {  // a cp.async
  void* to;
  const void* from;
  unsigned bytes, valid;
  bool read;  // already: memory is read at any time until the wait
  unsigned char value[16];
  Site site;
};

struct Thread {
  enum class State : std::uint8_t { ready, waiting, exited };

  Identity identity;
  std::unique_ptr<Fiber> fiber;
  Warp* warp = nullptr;
  Block* block = nullptr;
  State state = State::ready;
  bool started = false, spinning = false;
  const char* waits_in = "";
  Site site;
  const void* polled = nullptr;     // the last value looked at
  std::uint64_t cluster_phase = 0;  // 1 + the phase of its last arrival at the cluster's barrier
  std::vector<Copy> copies;         // oldest first
  std::vector<std::size_t> groups;  // copies in each committed group
};

// Of a block, by id. Each phase has its own point of order: a thread may arrive at the next one before the
// slowest has left this one.
struct Barrier {
  unsigned arrived = 0, needed = 0;
  std::uint64_t phase = 0;
  Site site;
  std::vector<Thread*> waiting;
  char order[2] = {};
};

struct MbarrierState {
  unsigned arrivals = 0, pending = 0;
  std::int64_t bytes = 0;  // expected and not yet received
  std::uint64_t phase = 0;
  Site site;  // of its initialisation
  std::vector<Thread*> waiting;
  char order[2] = {};
  std::vector<std::unique_ptr<char>> received[2];  // points of order of the messages of a phase
};

struct SharedArray {
  const void* key;     // of a static array, else null
  std::size_t offset;  // of a dynamic one
  std::size_t bytes;
  std::size_t place;  // from the block's shared memory
  Site site;
};

struct Block {
  Cluster* cluster = nullptr;
  Extent index;
  unsigned rank = 0, alive = 0;
  std::vector<Thread> threads;
  std::vector<Warp> warps;
  Barrier barriers[16];
  unsigned char* shared = nullptr;
  std::size_t reserved = 0;  // bytes at `shared`
  std::size_t used = 0;      // with red zones
  std::vector<SharedArray> arrays;
  std::unordered_map<const void*, MbarrierState> mbarriers;
};

struct Cluster {
  std::vector<std::unique_ptr<Block>> blocks;
  unsigned alive = 0, arrived = 0;  // threads
  std::uint64_t phase = 0;
  Site site;
  std::vector<Thread*> waiting;
  char order[2] = {};
};

struct Message {  // a st.async under way
  void* to;
  unsigned char value[16];
  unsigned bytes;
  void* barrier;  // in the receiver
  Block* receiver;
  std::string sender;
  Site site;
  std::unique_ptr<char> order;
};

struct Machine {
  LaunchConfig config;
  const std::function<void()>* kernel = nullptr;
  std::uint64_t seed = 0, launch = 0;  // the schedule: seed, and launches since it was set
  Random random;
  Policy policy = Policy::sequential;
  enum class Eagerness { at_once, random, late } delivery = Eagerness::at_once;  // of messages
  enum class Lanes { ascending, descending, random } lanes = Lanes::ascending;

  Fiber launcher;
  Thread* running = nullptr;  // null: the launcher
  std::vector<std::unique_ptr<Cluster>> clusters;
  unsigned clusters_started = 0, clusters_total = 0;
  std::vector<Warp*> ready;
  Warp* warp = nullptr;  // the one that ran last
  std::vector<Thread*> spinning;
  std::vector<Message> messages;
  unsigned idle_rounds = 0;
  std::uint64_t switches = 0;
  std::string error;                       // the first
  const char* volatile stopped = nullptr;  // why it must end
  bool unwinding = false;                  // the launch has failed: whoever is resumed leaves
  char begin_order = 0;                    // the beginning of the launch, before every thread
  char end_order = 0;                      // the end of every thread, before that of the launch

  Options options;
  Statistics statistics;
};
extern Machine machine;

// Thrown through a kernel's frames when its launch has failed.
struct Unwound {};

inline Thread& self() {
  if (machine.running == nullptr) throw Error("a device primitive is used outside of a kernel");
  return *machine.running;
}
inline bool in_random_order() {
  return machine.policy == Policy::random;
}

// scheduler.cpp
void make_ready(Thread& thread);
void make_ready(std::vector<Thread*>& waiting);  // all of them; leaves it empty
void wait_in(const char* operation, Site site);  // until made ready
void yield();
Thread* pick();  // null: the launcher has to look (a cluster is done, or an error)
void switch_to(Thread* thread);
void thread_main();
// report.cpp
std::string who(const Thread& thread);
std::string stuck();            // why nobody can run, and who waits where
void record(std::string what);  // as the launch's error, unless there is one
// barriers.cpp
void leave_cluster(Thread& thread);
// shared_memory.cpp
void reserve_shared(Block& block);
void check_red_zones(const Block& block);
void close_shared(Block& block);  // exited: whoever still looks there is wrong
void free_shared(Block& block);
std::pair<Block*, void*> in_rank(const void* pointer, unsigned rank, const char* operation, Site site);
// exchange.cpp
void deliver(std::size_t message);
void check_mbarriers(const Block& block);
std::string mbarrier_report(const Block& block);

}  // namespace ragtime::simt
