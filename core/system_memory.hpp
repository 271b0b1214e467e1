#pragma once

#include <cstddef>
#include <string>

namespace evenkeel {

/// Bytes of memory that this process may have: the machine's, or what the tightest of its control groups allows (the
/// limit of a container; cgroup v1's memory.limit_in_bytes and v2's memory.max, of the process's group and all above
/// it), less 1/32 for what the kernel keeps for it there. Reads files under `root`, which tests replace.
std::size_t system_memory(const std::string& root = "");

/// Bytes of this process's own memory (not of files) that are present now; 0 where the system does not say.
std::size_t resident_memory() noexcept;

}  // namespace evenkeel
