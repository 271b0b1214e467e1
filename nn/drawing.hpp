#pragma once

#include "evenkeel/core/random.hpp"

#include <exception>

namespace evenkeel::nn {

/// A generator as the constructor of a network takes it, by const reference: made from a Generator& on the way, and one
/// again where layers take it. When the constructor throws, after some layers have drawn their weights (a norm's name
/// or options that are refused), the generator is as it was before.
class Drawing {
 public:
  Drawing(Generator& generator)
      : generator_(generator), before_(generator.state()), exceptions_(std::uncaught_exceptions()) {}
  Drawing(const Drawing&) = delete;
  Drawing& operator=(const Drawing&) = delete;
  ~Drawing() {
    if (std::uncaught_exceptions() > exceptions_) {
      generator_.set_state(before_);
    }
  }
  operator Generator&() const { return generator_; }

 private:
  Generator& generator_;
  const Generator::State before_;
  const int exceptions_;
};

}  // namespace evenkeel::nn
