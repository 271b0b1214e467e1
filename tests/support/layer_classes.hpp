#pragma once

// The Layer classes of nn, read from its headers, so that none is forgotten by a table.

#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <regex>
#include <set>
#include <string>

namespace evenkeel::test {

/// The classes in `folder` ("nn", "nn/norm") that derive from Layer and can be made: no templates but their aliases
/// (BatchNorm2d), no bases (by their names, and FusibleNorm, Parametrization and WeightedLayer).
inline std::set<std::string> layer_classes(const std::string& folder) {
  struct Class {
    std::string base, argument, folder;
  };
  std::map<std::string, Class> all;
  const std::regex line(R"re((template <[^\n]*>\n)?class (\w+) : public (\w+)(<(\w*)>)?|using (\w+) = (\w+)<\d>;)re");
  for (const char* each : {"nn", "nn/norm"}) {
    const auto path = std::filesystem::path(EVENKEEL_FIXTURES) / "../.." / each;
    for (const auto& file : std::filesystem::directory_iterator(path)) {
      if (file.path().extension() == ".hpp") {
        std::ifstream in(file.path());
        const std::string text{std::istreambuf_iterator<char>(in), {}};
        for (std::sregex_iterator i(text.begin(), text.end(), line), end; i != end; ++i) {
          const std::smatch& match = *i;
          const bool alias = match[6].matched, is_template = match[1].matched;
          all[match[alias ? 6 : 2]] = {match[alias ? 7 : 3], match[5], is_template ? "" : each};
        }
      }
    }
  }
  std::set<std::string> classes;
  for (const auto& [name, found] : all) {
    Class root = found;
    while (all.contains(root.base) && root.base != "Layer") {
      const std::string argument = root.argument;
      root = all[root.base];
      if (root.base == "Base") {  // a template's parameter, by default FusibleNorm
        root.base = argument.empty() ? "FusibleNorm" : argument;
      }
    }
    const bool abstract =
        name.ends_with("Base") || name == "FusibleNorm" || name == "Parametrization" || name == "WeightedLayer";
    if (found.folder == folder && !abstract && root.base == "Layer") {
      classes.insert(name);
    }
  }
  return classes;
}

}  // namespace evenkeel::test
