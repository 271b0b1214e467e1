#include "evenkeel/core/communicator.hpp"

#include "evenkeel/core/error.hpp"
#include "evenkeel/core/parallel.hpp"
#include "evenkeel/core/thread.hpp"
#include "evenkeel/core/thread_state.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

namespace evenkeel {

namespace {

constexpr double kMaxTimeout = 1e6;  // seconds; far more would overflow the clock

class LocalCommunicator : public Communicator {
 public:
  int rank() const override { return 0; }
  int size() const override { return 1; }
  void all_reduce_sum(std::span<double> /*values*/) override {}
};

/// Calls work(rank) of each rank in a thread of its own; of none if the system has too few threads.
void run_together(std::size_t ranks, const std::function<void(std::size_t)>& work) {
  enum class Start { undecided, go, cancelled };
  std::atomic<Start> start = Start::undecided;
  std::vector<std::thread> threads;
  threads.reserve(ranks);
  const auto decide = [&](Start decision) {
    start = decision;
    start.notify_all();
    std::for_each(threads.begin(), threads.end(), [](std::thread& thread) { thread.join(); });
  };
  try {
    for (std::size_t rank = 0; rank < ranks; ++rank) {
      const auto begin = [&start, &work, rank] {
        start.wait(Start::undecided);
        if (start == Start::go) {
          work(rank);
        }
      };
      threads.push_back(
          start_thread(concat("ThreadGroup::run: can't start the thread of rank ", rank, " of ", ranks), begin));
    }
  } catch (...) {
    decide(Start::cancelled);
    throw;
  }
  decide(Start::go);
}

}  // namespace

std::shared_ptr<Communicator> local_communicator() {
  static const auto local = std::make_shared<LocalCommunicator>();
  return local;
}

/// The meeting place. A round ends when the last rank has come; it adds up everyone's values where they lie, while
/// their owners wait.
struct ThreadGroup::State {
  State(int group_size, double patience)
      : size(group_size), timeout(patience), parts_(static_cast<std::size_t>(group_size)) {}

  void all_reduce_sum(int rank, std::span<double> values) {
    std::unique_lock lock(mutex_);
    throw_if_failed(rank);
    if (gone_) {
      fail_all(concat("rank ", *gone_, " has ended and takes no part"));
      throw_if_failed(rank);
    }
    parts_[static_cast<std::size_t>(rank)] = values;
    arrived_.push_back(rank);
    const std::uint64_t mine = round_;
    if (std::ssize(arrived_) == size) {
      finish_round();
    } else {
      wait(lock, rank);
    }
    if (round_ == mine) {
      throw_if_failed(rank);
    }
  }

  /// All ranks are there again.
  void begin() {
    const std::lock_guard lock(mutex_);
    gone_.reset();
  }

  /// Rank `rank` will not come any more.
  void leave(int rank) {
    const std::lock_guard lock(mutex_);
    gone_ = gone_ ? std::min(*gone_, rank) : rank;
    if (!arrived_.empty()) {
      fail_all(concat("rank ", rank, " has ended and takes no part"));
    }
  }

  void abort(const std::string& reason) {
    const std::lock_guard lock(mutex_);
    fail_all(reason);
  }

  const int size;
  const double timeout;  // seconds

 private:
  void finish_round() {
    const auto length = parts_[0].size();
    for (int r = 1; r < size; ++r) {
      const auto other = parts_[static_cast<std::size_t>(r)].size();
      if (other != length) {
        return fail_all(concat("rank 0 brings ", length, " values, rank ", r, " brings ", other));
      }
    }
    for (std::size_t i = 0; i < length; ++i) {
      double total = parts_[0][i];
      for (std::size_t r = 1; r < parts_.size(); ++r) {
        total += parts_[r][i];
      }
      for (const std::span<double>& part : parts_) {
        part[i] = total;
      }
    }
    arrived_.clear();
    ++round_;
    changed_.notify_all();
  }

  void wait(std::unique_lock<std::mutex>& lock, int rank) {
    const std::uint64_t mine = round_;
    const bool in_time =
        changed_.wait_for(lock, std::chrono::duration<double>(timeout), [&] { return round_ != mine || failure_; });
    if (!in_time) {
      fail_all(concat("rank ", rank, " waited ", timeout, " s; only ", arrived_.size(), " of ", size, " ranks came"));
    }
  }

  void fail_all(const std::string& reason) {
    if (!failure_) {
      failure_ = reason;
    }
    changed_.notify_all();
  }

  void throw_if_failed(int rank) const {
    if (failure_) {
      fail<CommunicationError>(concat("all_reduce_sum (rank ", rank, " of ", size, ")"), *failure_);
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::span<double>> parts_;
  std::vector<int> arrived_;
  std::uint64_t round_ = 0;
  std::optional<int> gone_;
  std::optional<std::string> failure_;
};

class ThreadGroup::Member : public Communicator {
 public:
  Member(std::shared_ptr<State> state, int rank) : state_(std::move(state)), rank_(rank) {}
  int rank() const override { return rank_; }
  int size() const override { return state_->size; }
  void all_reduce_sum(std::span<double> values) override { state_->all_reduce_sum(rank_, values); }

 private:
  std::shared_ptr<State> state_;
  int rank_;
};

ThreadGroup::ThreadGroup(int size, ThreadGroupOptions options) {
  require(size >= 1, "ThreadGroup", "size must be at least 1, got ", size);
  require(options.timeout > 0 && options.timeout <= kMaxTimeout, "ThreadGroup", "timeout must be positive, at most ",
          kMaxTimeout, " seconds, got ", options.timeout);
  state_ = std::make_shared<State>(size, options.timeout);
}

ThreadGroup::~ThreadGroup() = default;

int ThreadGroup::size() const { return state_->size; }

std::shared_ptr<Communicator> ThreadGroup::communicator(int rank) const {
  require<IndexError>(rank >= 0 && rank < size(), "ThreadGroup", "rank ", rank, " is out of range; the group has ",
                      size());
  return std::make_shared<Member>(state_, rank);
}

void ThreadGroup::abort(const std::string& reason) { state_->abort(reason); }

void ThreadGroup::run(const std::function<void(const std::shared_ptr<Communicator>&)>& body) {
  const int share = std::max(1, num_threads() / size());
  const auto count = static_cast<std::size_t>(size());
  std::vector<std::exception_ptr> own(count), caused(count);
  state_->begin();
  const std::function<void()> take_settings = capture_settings();
  run_together(count, [&](std::size_t i) {
    const int rank = static_cast<int>(i);
    const ThreadsGuard threads(share);
    try {
      take_settings();
      body(communicator(rank));
      state_->leave(rank);
    } catch (const CommunicationError&) {
      caused[i] = std::current_exception();
      state_->leave(rank);
    } catch (const std::exception& error) {
      own[i] = std::current_exception();
      state_->abort(concat("rank ", rank, " failed: ", error.what()));
    } catch (...) {
      own[i] = std::current_exception();
      state_->abort(concat("rank ", rank, " failed"));
    }
  });
  for (const auto& errors : {own, caused}) {
    for (const std::exception_ptr& error : errors) {
      if (error) {
        std::rethrow_exception(error);
      }
    }
  }
}

}  // namespace evenkeel
