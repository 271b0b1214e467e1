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
/// (BatchNorm2d), no bases (by their names, and WeightedLayer and FusibleNorm).
inline std::set<std::string> layer_classes(const std::string& folder) {
  std::map<std::string, std::string> base_of, folder_of;
  const std::regex line(R"re((template <[^\n]*>\n)?class (\w+) : public (\w+)|using (\w+) = (\w+)<\d>;)re");
  for (const char* each : {"nn", "nn/norm"}) {
    for (const auto& file :
         std::filesystem::directory_iterator(std::filesystem::path(EVENKEEL_FIXTURES) / "../.." / each)) {
      if (file.path().extension() == ".hpp") {
        std::ifstream in(file.path());
        const std::string text{std::istreambuf_iterator<char>(in), {}};
        for (std::sregex_iterator match(text.begin(), text.end(), line), end; match != end; ++match) {
          const bool alias = (*match)[4].matched;
          const std::string name = (*match)[alias ? 4 : 2];
          base_of[name] = (*match)[alias ? 5 : 3];
          folder_of[name] = (*match)[1].matched ? "" : each;
        }
      }
    }
  }
  std::set<std::string> classes;
  for (const auto& [name, base] : base_of) {
    std::string root = base;
    while (root != "Layer" && base_of.contains(root)) {
      root = base_of[root];
    }
    const bool abstract = name.ends_with("Base") || name == "WeightedLayer" || name == "FusibleNorm";
    if (folder_of[name] == folder && !abstract &&
        (root == "Layer" || root == "Base")) {  // Base: a template's parameter
      classes.insert(name);
    }
  }
  return classes;
}

}  // namespace evenkeel::test
