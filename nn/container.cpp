#include "evenkeel/nn/container.hpp"

#include "evenkeel/nn/norm/norm_act.hpp"

namespace evenkeel::nn {

LayerList& LayerList::append_layer(std::unique_ptr<Layer> layer) {
  add_layer(std::to_string(size()), std::move(layer));
  return *this;
}

Slot& LayerList::operator[](std::int64_t index) {
  const std::int64_t position = index < 0 ? index + size() : index;
  require(position >= 0 && position < size(), type_name(), "index ", index, " is out of range; there are ", size(),
          " children");
  return *children()[static_cast<std::size_t>(position)];
}

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

Tensor ModuleList::forward(const Tensor& /*x*/) {
  fail("ModuleList", "Module [ModuleList] is missing the required \"forward\" function; call its children");
}

}  // namespace evenkeel::nn
