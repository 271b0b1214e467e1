#include "evenkeel/core/thread.hpp"

#include "evenkeel/core/parallel.hpp"

#include <system_error>

#include <sched.h>
#include <utility>

namespace evenkeel {

std::thread start_thread(const std::string& failure, std::function<void()> work) {
  cpu_set_t cores;
  CPU_ZERO(&cores);
  for (const int core : process_cores()) {  // asked here, as OpenMP need not know the new thread
    CPU_SET(static_cast<std::size_t>(core), &cores);
  }
  try {
    return std::thread([cores, work = std::move(work)] {
      if (CPU_COUNT(&cores) > 0) {
        sched_setaffinity(0, sizeof(cores), &cores);  // where that is refused, the starter's cores must do
      }
      work();
    });
  } catch (const std::system_error& error) {
    throw std::system_error(error.code(), failure);
  }
}

}  // namespace evenkeel
