#include "examples/support/progress.hpp"

#include "evenkeel/core/error.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <utility>
#include <vector>

namespace evenkeel::examples {

namespace {

constexpr int kBarWidth = 20;
constexpr auto kRedrawInterval = std::chrono::milliseconds(100);

std::string bar(double fraction) {
  const auto filled = static_cast<std::size_t>(fraction * kBarWidth);
  return "[" + std::string(filled, '=') + std::string(kBarWidth - filled, ' ') + "]";
}

std::size_t terminal_width() {
  winsize size{};
  const bool known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  return known ? size.ws_col : 80;
}

/// The parts with two spaces between them, as many as fit; a terminal breaks a line that fills it.
std::string fitting(const std::vector<std::string>& parts, std::size_t width) {
  std::string line;
  for (const std::string& part : parts) {
    const std::string longer = line.empty() ? part : concat(line, "  ", part);
    if (longer.size() < width) {
      line = longer;
    }
  }
  return line;
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
  char score[64], rate[32];
  const int length = std::snprintf(score, sizeof score, "loss %.4f", loss);
  if (!std::isnan(accuracy)) {
    std::snprintf(score + length, sizeof score - static_cast<std::size_t>(length), "  acc %5.2f%%", 100 * accuracy);
  }
  std::snprintf(rate, sizeof rate, "%.0f img/s", static_cast<double>(images) / elapsed);
  const std::string line =
      fitting({label_, concat("step ", step, "/", steps_), score,
               concat(format_duration(elapsed / fraction - elapsed), " left"), rate, bar(fraction)},
              terminal_width());
  std::printf("\r%s\033[K", line.c_str());
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
