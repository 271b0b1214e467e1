#include "evenkeel/autograd/anomaly.hpp"

#include "evenkeel/core/elementwise.hpp"
#include "evenkeel/core/thread_state.hpp"

#include <cstdlib>
#include <cxxabi.h>
#include <execinfo.h>
#include <utility>

namespace evenkeel {

namespace {

thread_local int guards = 0;
thread_local int formulas = 0;
constexpr int kMaxFrames = 48;

thread_local const NameScope* innermost = nullptr;

/// Where the thread that this one works for was when it began, see inherit_setting().
std::string& inherited_path() {
  static thread_local std::string path;
  return path;
}

[[maybe_unused]] const bool anomaly_inherited =
    inherit_setting([]() -> std::function<void()> { return [count = guards] { guards = count; }; }) &&
    inherit_setting([]() -> std::function<void()> { return [path = NameScope::path()] { inherited_path() = path; }; });

/// "library(_ZN3foo3barEv+0x12) [0x55]" with the name in readable form.
std::string readable(const std::string& frame) {
  const std::size_t begin = frame.find('(');
  const std::size_t end = frame.find_first_of("+)", begin == std::string::npos ? 0 : begin);
  if (begin == std::string::npos || end == std::string::npos || end <= begin + 1) {
    return frame;
  }
  const std::string symbol = frame.substr(begin + 1, end - begin - 1);
  int status = 0;
  const std::unique_ptr<char, decltype(&std::free)> text(abi::__cxa_demangle(symbol.c_str(), nullptr, nullptr, &status),
                                                         &std::free);
  return status == 0 && text ? text.get() : symbol;
}

std::string describe(const detail::Origin* origin) {
  if (origin == nullptr) {
    return "it was recorded outside anomaly mode, so its place is not known";
  }
  std::string text =
      origin->path.empty() ? "called outside any module" : concat("called in module '", origin->path, "'");
  text += ", from";
  const int count = static_cast<int>(origin->frames.size());
  const std::unique_ptr<char*, decltype(&std::free)> symbols(backtrace_symbols(origin->frames.data(), count),
                                                             &std::free);
  for (int i = 0; symbols && i < count; ++i) {
    text += concat("\n  #", i, " ", readable(symbols.get()[i]));
  }
  return text;
}

}  // namespace

AnomalyGuard::AnomalyGuard() { ++guards; }
AnomalyGuard::~AnomalyGuard() { --guards; }
bool anomaly_enabled() { return guards > 0; }

NameScope::NameScope() : outer_(std::exchange(innermost, this)) {}
NameScope::NameScope(std::string name) : name_(std::move(name)), outer_(std::exchange(innermost, this)) {}
NameScope::~NameScope() { innermost = outer_; }

std::string NameScope::path() {
  std::string text;
  const auto lead = [&](const std::string& name) { text.insert(0, name.empty() || text.empty() ? name : name + "."); };
  for (const NameScope* scope = innermost; scope != nullptr; scope = scope->outer_) {
    lead(scope->name());
  }
  lead(inherited_path());
  return text;
}

namespace detail {

bool check_results() { return guards > 0 && formulas == 0; }

std::unique_ptr<Origin> capture_origin() {
  if (!check_results()) {
    return nullptr;
  }
  auto origin = std::make_unique<Origin>();
  origin->path = NameScope::path();
  origin->frames.resize(kMaxFrames);
  const int count = backtrace(origin->frames.data(), kMaxFrames);
  origin->frames.resize(static_cast<std::size_t>(count));
  origin->frames.erase(origin->frames.begin());  // this function
  return origin;
}

void check_result(std::string_view op, const Array& value) {
  if (is_floating(value.dtype()) && !all_finite(value)) {
    fail<AnomalyError>("anomaly", "the result of '", op, "' (shape ", value.shape(), ") has NaN or infinity; ",
                       describe(capture_origin().get()));
  }
}

void check_gradient(std::string_view op, std::size_t index, const Array& gradient, const Origin* origin) {
  if (!all_finite(gradient)) {
    fail<AnomalyError>("anomaly", "backward of '", op, "' gave NaN or infinity in the gradient of input ", index,
                       " (shape ", gradient.shape(), "); ", describe(origin));
  }
}

FormulaScope::FormulaScope() { ++formulas; }
FormulaScope::~FormulaScope() { --formulas; }

}  // namespace detail

}  // namespace evenkeel
