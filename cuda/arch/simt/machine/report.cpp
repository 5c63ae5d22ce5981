// What is said about a launch that failed.

#include <cstring>
#include <set>
#include <sstream>
#include <tuple>

#include "cuda/arch/simt/machine/machine.hpp"

namespace ragtime::simt {
namespace {

std::string text(Extent index) {
  std::ostringstream out;
  out << '(' << index.x << ", " << index.y << ", " << index.z << ')';
  return out.str();
}

std::string what_it_does(const Thread& thread) {
  if (thread.state == Thread::State::exited) return "exited";
  if (thread.state == Thread::State::ready) return "could run";
  return std::string("waiting in ") + thread.waits_in + " at " + text(thread.site);
}

// Threads that do the same are told together: first the ranges of a block, then blocks with the same ranges.
std::string who_waits_where() {
  struct Group {
    std::string ranges;
    std::vector<const Block*> blocks;
  };
  std::vector<std::pair<std::string, std::vector<Group>>> activities;
  const auto note = [&](const std::string& activity, const std::string& ranges, const Block& block) {
    auto found = activities.begin();
    while (found != activities.end() && found->first != activity) ++found;
    if (found == activities.end()) found = activities.insert(found, {activity, {}});
    for (Group& group : found->second)
      if (group.ranges == ranges) return group.blocks.push_back(&block);
    found->second.push_back({ranges, {&block}});
  };
  for (const auto& cluster : machine.clusters)
    for (const auto& block : cluster->blocks) {
      std::map<std::string, std::string> ranges;
      for (std::size_t first = 0, last; first < block->threads.size(); first = last) {
        const std::string activity = what_it_does(block->threads[first]);
        for (last = first + 1;
             last < block->threads.size() && what_it_does(block->threads[last]) == activity;)
          ++last;
        std::string& all = ranges[activity];
        all += (all.empty() ? "" : ", ") + std::to_string(first) +
               (last == first + 1 ? "" : "-" + std::to_string(last - 1));
      }
      for (const auto& [activity, threads] : ranges) note(activity, threads, *block);
    }
  std::ostringstream out;
  for (const auto& [activity, groups] : activities) {
    out << "\n  " << activity << ':';
    for (const Group& group : groups) {
      out << " threads " << group.ranges << " of block";
      constexpr std::size_t shown = 4;
      for (std::size_t i = 0; i < std::min(shown, group.blocks.size()); ++i)
        out << ' ' << text(group.blocks[i]->index);
      if (group.blocks.size() > shown) out << " and " << group.blocks.size() - shown << " more";
      out << ';';
    }
  }
  return out.str();
}

const char* name_of(Policy policy) {
  switch (policy) {
    case Policy::sequential:
      return "sequential";
    case Policy::reverse:
      return "reverse";
    case Policy::random:
      return "random";
    case Policy::priority:
      return "priority";
  }
  return "?";
}

}  // namespace

std::string text(Site site) {
  const char* const name = std::strrchr(site.file, '/');
  return std::string(name ? name + 1 : site.file) + ":" + std::to_string(site.line);
}

std::string who(const Thread& thread) {
  return "block " + text(thread.identity.block) + " thread " + text(thread.identity.thread);
}

void record(std::string what) {
  if (!machine.error.empty()) return;
  std::ostringstream out;
  out << "kernel '" << machine.config.name << "' (seed " << machine.seed << ", launch " << machine.launch
      << ", " << name_of(machine.policy) << "): " << what;
  machine.error = out.str();
}

void fail(const std::string& what, Site site) {
  record(who(self()) + ": " + what + " [" + text(site) + "]");
  throw Unwound{};
}

std::string stuck() {
  std::ostringstream out;
  if (machine.switches > machine.options.switch_limit)
    out << "LIVELOCK: no end after " << machine.options.switch_limit << " switches";
  else if (machine.spinning.empty())
    out << "DEADLOCK: every thread waits";
  else
    out << "LIVELOCK: only spin loops could run, and what they wait for does not come";
  if (machine.clusters_started < machine.clusters_total)
    out << " (" << machine.clusters_total - machine.clusters_started << " of " << machine.clusters_total
        << " clusters have not begun: blocks may wait for each other only in a cooperative launch)";
  out << who_waits_where();
  for (const auto& cluster : machine.clusters)
    for (const auto& block : cluster->blocks) out << mbarrier_report(*block);
  return out.str();
}

}  // namespace ragtime::simt
