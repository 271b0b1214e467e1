#include "examples/support/progress.hpp"

#include <unistd.h>

#include <cstdio>
#include <utility>

namespace evenkeel::examples {

namespace {

constexpr int kBarWidth = 20;
constexpr auto kRedrawInterval = std::chrono::milliseconds(100);

std::string bar(double fraction) {
  const auto filled = static_cast<std::size_t>(fraction * kBarWidth);
  return "[" + std::string(filled, '=') + std::string(kBarWidth - filled, ' ') + "]";
}

}  // namespace

std::string format_duration(double seconds) {
  char text[32];
  const int whole = static_cast<int>(seconds + 0.5);
  if (whole < 60) {
    std::snprintf(text, sizeof text, "%d s", whole);
  } else {
    std::snprintf(text, sizeof text, "%d:%02d", whole / 60, whole % 60);
  }
  return text;
}

Progress::Progress(std::string label, std::int64_t steps)
    : label_(std::move(label)), steps_(steps), live_(isatty(STDOUT_FILENO) == 1) {}

void Progress::update(std::int64_t step, double loss, double accuracy, std::int64_t images) {
  const auto now = Clock::now();
  if (!live_ || (now - drawn_ < kRedrawInterval && step != steps_)) {
    return;
  }
  drawn_ = now;
  const double elapsed = seconds();
  const double fraction = static_cast<double>(step) / static_cast<double>(steps_);
  std::printf("\r%s %s step %lld/%lld  loss %.4f  acc %5.2f%%  %.0f img/s  %s left \033[K", label_.c_str(),
              bar(fraction).c_str(), static_cast<long long>(step), static_cast<long long>(steps_), loss, 100 * accuracy,
              static_cast<double>(images) / elapsed, format_duration(elapsed / fraction - elapsed).c_str());
  std::fflush(stdout);
}

void Progress::finish() {
  if (live_) {
    std::printf("\r\033[K");
    std::fflush(stdout);
  }
}

double Progress::seconds() const { return std::chrono::duration<double>(Clock::now() - start_).count(); }

}  // namespace evenkeel::examples
