#pragma once

#include "evenkeel/autograd/op_profile.hpp"
#include "evenkeel/nn/module.hpp"
#include "evenkeel/optim/sgd.hpp"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace evenkeel::bench {

/// A network and the shape of one input; bench/support/torch_cells.py has the same in PyTorch.
struct Cell {
  const char* name;
  const char* model;  ///< of models/registry.hpp
  const char* norm;   ///< of nn/norm/registry.hpp
  Shape input;
};

const std::vector<Cell>& cells();
/// The cell of that name; throws.
const Cell& find_cell(const std::string& name);

/// A network with an optimizer (SGD, momentum 0.9) and a batch of random images and labels.
class Training {
 public:
  Training(const Cell& cell, std::int64_t batch_size);
  /// A network of one's own making for images of 10 classes; `make` gets the generator of its parameters.
  Training(const std::function<std::unique_ptr<nn::Layer>(Generator&)>& make, const Shape& batch);
  /// zero_grad, forward, cross entropy, backward, optimizer step; what is no op is marked in `profile`.
  void step(OpProfile* profile = nullptr);
  std::int64_t parameters() const { return model_->num_parameters(); }

 private:
  Generator generator_{0};
  std::unique_ptr<nn::Layer> model_;
  optim::SGD optimizer_;
  Tensor x_, target_;
};

}  // namespace evenkeel::bench
