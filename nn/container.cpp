#include "evenkeel/nn/container.hpp"

#include "evenkeel/nn/norm/norm_act.hpp"

namespace evenkeel::nn {

Tensor Sequential::forward(const Tensor& x) {
  Tensor y = x;
  const std::vector<Slot*> layers = children();
  for (std::size_t i = 0; i < layers.size(); ++i) {
    if (i + 1 < layers.size() && fuses(*layers[i], *layers[i + 1])) {
      y = norm_act(*layers[i], *layers[i + 1], y);
      ++i;
    } else {
      y = (*layers[i])(y);
    }
  }
  return y;
}

}  // namespace evenkeel::nn
