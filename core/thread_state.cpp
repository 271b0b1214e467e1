#include "evenkeel/core/thread_state.hpp"

#include <utility>
#include <vector>

namespace evenkeel {
namespace {

/// Filled before main by other files' variables.
std::vector<CaptureSetting>& captures() {
  static std::vector<CaptureSetting> all;
  return all;
}

}  // namespace

bool inherit_setting(CaptureSetting capture) {
  captures().push_back(capture);
  return true;
}

std::function<void()> capture_settings() {
  std::vector<std::function<void()>> settings;
  for (const CaptureSetting capture : captures()) {
    settings.push_back(capture());
  }
  return [settings = std::move(settings)] {
    for (const auto& set : settings) {
      set();
    }
  };
}

}  // namespace evenkeel
