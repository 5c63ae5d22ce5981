// Barriers of a block and of a cluster.

#include "cuda/arch/simt/machine/machine.hpp"

namespace ragtime::simt {
namespace {

void complete_if_all(Cluster& cluster) {
  if (cluster.alive == 0 || cluster.arrived < cluster.alive) return;
  ++cluster.phase;
  cluster.arrived = 0;
  make_ready(cluster.waiting);
}

}  // namespace

void block_barrier(unsigned id, unsigned threads, bool wait, Site site) {
  const Unwatched unwatched;
  Block& block = *self().block;
  const unsigned all = static_cast<unsigned>(block.threads.size());
  const char* const operation = id == 0 ? "block_sync" : wait ? "named_sync" : "named_arrive";
  if (id != 0 && (id > 15 || threads == 0 || threads % arch::warp_size != 0 || threads > all))
    fail(std::string(operation) + "(" + std::to_string(id) + ", " + std::to_string(threads) +
             "): expected an id from 1 to 15 and a multiple of 32 threads, at most the block's " +
             std::to_string(all),
         site);
  Barrier& barrier = block.barriers[id];
  const unsigned needed = id == 0 ? all : threads;
  if (barrier.arrived == 0) {
    barrier.needed = needed;
    barrier.site = site;
  } else if (barrier.needed != needed) {
    fail(std::string(operation) + " for " + std::to_string(needed) + " threads, but others wait there for " +
             std::to_string(barrier.needed) + " at " + text(barrier.site),
         site);
  } else if (id == 0 && barrier.site != site) {
    fail("block_sync at two places at once: divergence, others wait at " + text(barrier.site), site);
  }
  if (id == 0 && block.alive < all) {
    if (!machine.options.allow_exited)
      fail("block_sync after " + std::to_string(all - block.alive) + " threads of the block have exited",
           site);
    barrier.needed = block.alive;
  }
  char* const order = &barrier.order[barrier.phase & 1];
  release(order);
  if (++barrier.arrived >= barrier.needed) {
    ++barrier.phase;
    barrier.arrived = 0;
    ++machine.statistics.block_barriers;
    make_ready(barrier.waiting);
    if (!wait) return;
    if (machine.policy != Policy::sequential && machine.random.once_in(2)) yield();
  } else {
    if (!wait) return;
    barrier.waiting.push_back(&self());
    wait_in(operation, site);
  }
  acquire(order);
}

void cluster_arrive(Site site) {
  const Unwatched unwatched;
  Thread& thread = self();
  Cluster& cluster = *thread.block->cluster;
  if (thread.cluster_phase != 0) fail("cluster_arrive twice without cluster_wait between", site);
  if (cluster.arrived == 0)
    cluster.site = site;
  else if (cluster.site != site)
    fail("cluster_arrive at two places at once: divergence, others arrived at " + text(cluster.site), site);
  thread.cluster_phase = cluster.phase + 1;
  release(&cluster.order[cluster.phase & 1]);
  ++cluster.arrived;
  complete_if_all(cluster);
}

void cluster_wait(Site site) {
  const Unwatched unwatched;
  Thread& thread = self();
  Cluster& cluster = *thread.block->cluster;
  const std::uint64_t phase = thread.cluster_phase;
  if (phase == 0) fail("cluster_wait without cluster_arrive", site);
  if (cluster.phase < phase) {
    cluster.waiting.push_back(&thread);
    wait_in("cluster_wait", site);
  } else if (machine.policy != Policy::sequential) {
    yield();
  }
  thread.cluster_phase = 0;
  acquire(&cluster.order[(phase - 1) & 1]);
}

// The barrier counts only who is still there: an exited thread that had arrived is no longer waited for.
void leave_cluster(Thread& thread) {
  Cluster& cluster = *thread.block->cluster;
  if (thread.cluster_phase == cluster.phase + 1) --cluster.arrived;
  --cluster.alive;
  complete_if_all(cluster);
}

}  // namespace ragtime::simt
