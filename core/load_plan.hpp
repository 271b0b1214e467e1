#pragma once

#include <functional>
#include <iterator>
#include <utility>
#include <vector>

namespace evenkeel {

/// The writing half of load_state_dict(): what a saved state changes, all of it checked and ready. Functions named
/// plan_... check a state, throw what is wrong with it, and return one. Plans of several objects that are all made
/// before the first is committed load those objects all or nothing.
///   LoadPlan plan = model.plan_load_state_dict(weights);
///   plan.add(optimizer.plan_load_state_dict(state));
///   plan.commit();
/// The objects must live, and must not change in another way, until then.
class LoadPlan {
 public:
  /// `write` can't throw: it allocates nothing, it holds what it needs.
  void add(std::function<void()> write) { writes_.push_back(std::move(write)); }
  /// The writes of another plan, after those that are here.
  void add(LoadPlan plan) {
    writes_.insert(writes_.end(), std::make_move_iterator(plan.writes_.begin()),
                   std::make_move_iterator(plan.writes_.end()));
  }
  /// Makes all changes, once: the plan is empty afterwards.
  void commit() noexcept {
    for (const auto& write : writes_) {
      write();
    }
    writes_.clear();
  }

 private:
  std::vector<std::function<void()>> writes_;
};

}  // namespace evenkeel
