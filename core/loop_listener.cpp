#include "evenkeel/core/loop_listener.hpp"

#include "evenkeel/core/error.hpp"

#include <chrono>

namespace evenkeel {

LoopListener::LoopListener(Hear hear) : hear_(std::move(hear)) {
  require<StateError>(detail::loop_listener == nullptr, "LoopListener", "another one lives in this thread");
  detail::loop_listener = this;
}

LoopListener::~LoopListener() { detail::loop_listener = nullptr; }

void LoopListener::run(HeardLoop loop, const std::function<void()>& all_chunks) {
  using Clock = std::chrono::steady_clock;
  const double heard_before = heard_ms_;
  const Clock::time_point start = Clock::now();
  all_chunks();
  const double ms = std::chrono::duration<double, std::milli>(Clock::now() - start).count();
  loop.ms = ms - (heard_ms_ - heard_before);
  heard_ms_ = heard_before + ms;
  hear_(loop);
}

}  // namespace evenkeel
