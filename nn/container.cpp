#include "evenkeel/nn/container.hpp"

namespace evenkeel::nn {

Tensor Sequential::forward(const Tensor& x) {
  Tensor y = x;
  const std::vector<Slot*> layers = children();
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const Layer* next = i + 1 < layers.size() ? layers[i + 1]->layer() : nullptr;
    if (next != nullptr && next->fused()) {
      y = (*layers[i])(y, *layers[i + 1]);
      ++i;
    } else {
      y = (*layers[i])(y);
    }
  }
  return y;
}

}  // namespace evenkeel::nn
