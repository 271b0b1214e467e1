#pragma once

#include "evenkeel/nn/module.hpp"

#include <cstdint>
#include <functional>
#include <iosfwd>
#include <string>
#include <vector>

namespace evenkeel::nn {

struct LsuvOptions {
  double tol = 0.1;                  ///< a layer is done where |variance - 1| < tol
  std::int64_t max_iterations = 10;  ///< most times that one weight is scaled
  bool orthonormal = true;           ///< begin with init::orthogonal_ weights; else with those that are there
};

/// What lsuv_init_ did with one layer.
struct LsuvLayer {
  std::string name, type;
  double before = 0, variance = 0;  ///< of its output, before its weight was scaled and after
  std::int64_t iterations = 0;      ///< how often that was done
  std::string skipped = "";         ///< why nothing was done, else empty
};
/// In the order in which the layers ran, then those that did not or could not be set.
struct LsuvReport {
  std::vector<LsuvLayer> layers;
};

/// Layer-sequential unit-variance initialization: every convolution's and Linear's weight begins orthonormal; then,
/// layer by layer in the order in which they run on the batch, it is divided by the standard deviation of the layer's
/// output over all elements until the variance is 1 within tol. Mishkin & Matas 2016, arXiv:1511.06422, algorithm 1.
/// The model runs in the mode that it is in, without gradients, once per layer and once more; a layer that runs several
/// times is set by its first. Nothing but these weights changes: biases, buffers and generators of the model are as
/// before, and when something throws, the weights and `generator` too. Left alone: layers whose weight is parametrized,
/// that did not run, or whose output has no variance.
LsuvReport lsuv_init_(Layer& model, const Tensor& batch, Generator& generator, const LsuvOptions& options = {});
/// The same for a model of other arguments: `run` calls it, by call(model, ...) or any of its parts.
LsuvReport lsuv_init_(Module& model, const std::function<void()>& run, Generator& generator,
                      const LsuvOptions& options = {});

/// A table with one line per layer.
std::string to_string(const LsuvReport& report);
std::ostream& operator<<(std::ostream& out, const LsuvReport& report);

}  // namespace evenkeel::nn
