#pragma once

#include "evenkeel/core/error.hpp"

#include <algorithm>
#include <cctype>
#include <list>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace evenkeel::nn {

/// Entries that a name stands for, as the norms behind --norm: the library's, then those that a program adds, while
/// other threads read. An entry has a `name` and a function `make`.
template <class Entry>
class NamedList {
 public:
  explicit NamedList(std::vector<Entry> first) { versions_.push_back(std::move(first)); }

  /// Those there are now. What is added later is not among them; they stay where they are as long as the list lives.
  const std::vector<Entry>& entries() const {
    const std::lock_guard lock(mutex_);
    return versions_.back();
  }

  /// Null if none has that name.
  const Entry* find(std::string_view name) const { return find_in(entries(), name); }

  /// "bn, gn": for errors and help.
  std::string names() const {
    std::string text;
    for (const Entry& entry : entries()) {
      text += (text.empty() ? "" : ", ") + std::string(entry.name);
    }
    return text;
  }

  /// Puts an entry behind the others. Throws, adding nothing: a name that is taken, or that is no word of letters,
  /// digits and "_-."; no function.
  void add(std::string_view op, Entry entry) {
    const auto fits = [](char c) {
      return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '-' || c == '.';
    };
    require(!entry.name.empty() && std::all_of(entry.name.begin(), entry.name.end(), fits), op,
            "the name must be a word of letters, digits, '_', '-' and '.', got '", entry.name, "'");
    require(static_cast<bool>(entry.make), op, "'", entry.name, "' has no function that makes it");
    const std::lock_guard lock(mutex_);
    require(find_in(versions_.back(), entry.name) == nullptr, op, "the name '", entry.name, "' is taken");
    std::vector<Entry> next = versions_.back();
    next.push_back(std::move(entry));
    versions_.push_back(std::move(next));
  }

 private:
  static const Entry* find_in(const std::vector<Entry>& entries, std::string_view name) {
    const auto found = std::find_if(entries.begin(), entries.end(), [&](const Entry& e) { return e.name == name; });
    return found == entries.end() ? nullptr : &*found;
  }

  mutable std::mutex mutex_;
  std::list<std::vector<Entry>> versions_;
};

}  // namespace evenkeel::nn
