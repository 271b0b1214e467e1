#include "evenkeel/nn/module.hpp"

namespace evenkeel::nn {

namespace {

std::string indent_following_lines(const std::string& text) {
  std::string result;
  for (const char c : text) {
    result += c;
    if (c == '\n') {
      result += "  ";
    }
  }
  return result;
}

std::string describe(const Module& module) {
  const std::string extra = module.extra_repr();
  const auto children = module.children();
  if (children.empty() && extra.find('\n') == std::string::npos) {
    return concat(module.type_name(), "(", extra, ")");
  }
  std::string body = extra.empty() ? "" : concat("\n", extra);
  for (const Slot* child : children) {
    body += concat("\n(", child->name(), "): ", describe(**child));
  }
  return concat(module.type_name(), "(", indent_following_lines(body), "\n)");
}

}  // namespace

std::ostream& operator<<(std::ostream& out, const Module& module) { return out << describe(module); }

}  // namespace evenkeel::nn
