#pragma once

#include "evenkeel/core/shape.hpp"

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace evenkeel {

class OpInputs;

/// While one lives, the time of this thread's ops adds up by name, direction and shape of the result. An op's forward
/// takes all that passed since the op before it ended, what modules do around it included; its backward takes its
/// formula with the ops inside, "sum of gradients" what adds up those of a tensor with several uses, and "engine" what
/// lies between. One at a time per thread. Without one, an op pays for a look at a flag.
class OpProfile {
 public:
  OpProfile();
  ~OpProfile();
  OpProfile(const OpProfile&) = delete;
  OpProfile& operator=(const OpProfile&) = delete;

  struct Row {
    std::string op;     ///< "conv2d", "conv2d backward"
    std::string shape;  ///< of the op's result, "[2, 32, 8, 8]"
    std::int64_t calls = 0;
    double ms = 0;
  };
  /// Longest first.
  std::vector<Row> rows() const;
  /// Gives the time since the last op to `name`: for what is no op, such as an optimizer's step.
  void mark(const std::string& name, const std::string& shape = "");
  /// Counts anew from here.
  void reset();

 private:
  std::map<std::pair<std::string, std::string>, Row> rows_;
  double last_;
};

/// While one lives, it hears of every op of this thread: the name and the inputs, when the op is done. One at a time
/// per thread.
class OpListener {
 public:
  using Listen = std::function<void(std::string_view op, const OpInputs& inputs)>;
  explicit OpListener(Listen listen);
  ~OpListener();
  OpListener(const OpListener&) = delete;
  OpListener& operator=(const OpListener&) = delete;

 private:
  Listen listen_;
};

namespace detail {

/// Tells the living OpProfile and OpListener, if there are any, that an op is done; ops inside a formula don't count.
void tell_op(std::string_view op, const OpInputs& inputs, const Shape& result);

/// Tells it that a backward formula, or other work between those of the engine, runs while this lives.
class ProfileFormula {
 public:
  ProfileFormula(std::string_view op, const Shape& dy, std::string_view suffix = " backward");
  ~ProfileFormula();
  ProfileFormula(const ProfileFormula&) = delete;
  ProfileFormula& operator=(const ProfileFormula&) = delete;

 private:
  std::string name_, shape_;  // empty unless it counts
};

}  // namespace detail

}  // namespace evenkeel
