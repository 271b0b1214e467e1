#pragma once

#include "evenkeel/core/shape.hpp"

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace evenkeel {

class Node;
class OpInputs;

/// The sizes of what an op works on. Of a backward: dy's as the result, and those inputs that are kept or get a
/// gradient.
struct OpShapes {
  Shape result;                              ///< of several: the first
  std::vector<std::optional<Shape>> inputs;  ///< empty where an input is undefined, or backward has no use for it
  std::uint64_t wanted = 0;                  ///< backward: bit i tells that input i gets a gradient
  std::int64_t kept_inputs = 0;              ///< backward: bytes of the inputs that were kept for it
  std::int64_t kept_others = 0;              ///< backward: bytes of the outputs and extra arrays that were
};

/// While one lives, the time of this thread's ops adds up by name, direction and sizes of inputs and result. An op's
/// forward takes all that passed since the op before it ended, what modules do around it included; its backward takes
/// its formula with the ops inside, "sum of gradients" what adds up those of a tensor with several uses, and "engine"
/// what lies between. One at a time per thread. Without one, an op pays for a look at a flag.
class OpProfile {
 public:
  struct Row {
    std::string op;     ///< "conv2d", "conv2d backward"
    std::string shape;  ///< of the op's result, "[2, 32, 8, 8]"
    OpShapes shapes;    ///< empty of what is no op
    std::int64_t calls = 0;
    double ms = 0;
  };
  /// Hears of a row after each call that it counts, and of that call's milliseconds.
  using Heard = std::function<void(const Row& row, double ms)>;

  explicit OpProfile(Heard heard = nullptr);
  ~OpProfile();
  OpProfile(const OpProfile&) = delete;
  OpProfile& operator=(const OpProfile&) = delete;

  /// Longest first.
  std::vector<Row> rows() const;
  /// Gives the time since the last op to `name`: for what is no op, such as an optimizer's step.
  void mark(const std::string& name);
  /// The same for an op; `shapes` is asked when the clock has been read.
  void mark(const std::string& name, const std::function<OpShapes()>& shapes);
  /// Counts anew from here.
  void reset();

 private:
  void count(const std::string& key, const Row& fresh, double ms);

  Heard heard_;
  std::map<std::string, Row> rows_;
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

/// Tells it that the backward formula of `node` runs while this lives; bit i of `wanted`: input i gets a gradient.
class ProfileFormula {
 public:
  ProfileFormula(const Node& node, const Shape& dy, std::uint64_t wanted);
  ~ProfileFormula();
  ProfileFormula(const ProfileFormula&) = delete;
  ProfileFormula& operator=(const ProfileFormula&) = delete;

 private:
  const Node* node_ = nullptr;  // null unless it counts
  Shape dy_;
  std::uint64_t wanted_ = 0;
};

/// Tells it that two gradients of one tensor are added while this lives.
class ProfileSum {
 public:
  ProfileSum();
  ~ProfileSum();
  ProfileSum(const ProfileSum&) = delete;
  ProfileSum& operator=(const ProfileSum&) = delete;

 private:
  bool counts_;
};

}  // namespace detail

}  // namespace evenkeel
