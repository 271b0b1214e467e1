#pragma once

namespace evenkeel::test {

/// So many allocations by operator new succeed in this thread, then one throws std::bad_alloc; below 0: none does.
extern thread_local long allocations_until_failure;

}  // namespace evenkeel::test
