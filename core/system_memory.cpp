#include "evenkeel/core/system_memory.hpp"

#include "evenkeel/core/error.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <limits>
#include <sstream>
#include <vector>

namespace evenkeel {
namespace {

constexpr std::size_t kUnlimited = std::numeric_limits<std::size_t>::max();

std::size_t page_size() {
  const long bytes = sysconf(_SC_PAGESIZE);
  return bytes > 0 ? static_cast<std::size_t>(bytes) : 4096;
}

std::size_t physical_memory() {
  const long pages = sysconf(_SC_PHYS_PAGES);
  return pages > 0 ? static_cast<std::size_t>(pages) * page_size() : kUnlimited;
}

/// The number in a file; "max" (no limit), and a file that is missing, are no limit.
std::size_t limit_in(const std::string& path) {
  std::ifstream file(path);
  std::size_t limit = 0;
  return file >> limit ? limit : kUnlimited;
}

bool has_word(const std::string& list, const std::string& word) {
  return ("," + list + ",").find("," + word + ",") != std::string::npos;
}

/// Paths of the process's groups within the trees of v1's memory controller and of v2; empty where there is none.
struct Groups {
  std::string v1, v2;
};

/// Lines are "number:controllers:path"; v2's has no controllers.
Groups groups_of_process(const std::string& root) {
  Groups groups;
  std::ifstream file(root + "/proc/self/cgroup");
  for (std::string line; std::getline(file, line);) {
    const std::size_t first = line.find(':');
    const std::size_t second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) {
      continue;
    }
    const std::string controllers = line.substr(first + 1, second - first - 1);
    if (controllers.empty()) {
      groups.v2 = line.substr(second + 1);
    } else if (has_word(controllers, "memory")) {
      groups.v1 = line.substr(second + 1);
    }
  }
  return groups;
}

/// The tightest limit in the folder of `group` and those above it, up to where the tree is mounted. `shown` is the
/// group that is seen at the mount: in a container often the process's own.
std::size_t limit_of_group(const std::string& mount, const std::string& shown, std::string group,
                           const std::string& file) {
  if (shown != "/" && (group + "/").starts_with(shown + "/")) {
    group.erase(0, shown.size());
  } else if (shown != "/") {
    group.clear();
  }
  std::size_t limit = limit_in(mount + "/" + file);
  while (group.size() > 1) {
    limit = std::min(limit, limit_in(concat(mount, group, "/", file)));
    group.erase(group.rfind('/') == std::string::npos ? 0 : group.rfind('/'));
  }
  return limit;
}

/// Lines of mountinfo are "id parent device shown-root mount-point options... - type source options".
std::size_t container_limit(const std::string& root) {
  const Groups groups = groups_of_process(root);
  std::size_t limit = kUnlimited;
  std::ifstream file(root + "/proc/self/mountinfo");
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    const std::vector<std::string> parts(std::istream_iterator<std::string>{words}, {});
    const auto dash = std::find(parts.begin(), parts.end(), "-");
    if (dash - parts.begin() < 5 || parts.end() - dash < 4) {
      continue;
    }
    const std::string &shown = parts[3], mount = root + parts[4], &type = dash[1], &options = dash[3];
    if (type == "cgroup2" && !groups.v2.empty()) {
      limit = std::min(limit, limit_of_group(mount, shown, groups.v2, "memory.max"));
    } else if (type == "cgroup" && has_word(options, "memory") && !groups.v1.empty()) {
      limit = std::min(limit, limit_of_group(mount, shown, groups.v1, "memory.limit_in_bytes"));
    }
  }
  return limit;
}

}  // namespace

std::size_t system_memory(const std::string& root) {
  const std::size_t physical = physical_memory();
  const std::size_t limit = container_limit(root);
  return limit < physical ? limit - limit / 32 : physical;
}

std::size_t resident_memory() noexcept {
  const int file = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
  if (file < 0) {
    return 0;
  }
  std::array<char, 128> text{};  // "all resident of-files ...", in pages
  const bool told = read(file, text.data(), text.size() - 1) > 0;
  close(file);
  std::size_t resident = 0, of_files = 0;
  return told && std::sscanf(text.data(), "%*u %zu %zu", &resident, &of_files) == 2
             ? (resident - std::min(resident, of_files)) * page_size()
             : 0;
}

}  // namespace evenkeel
