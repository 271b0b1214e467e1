#include "nn/container.hpp"

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
  for (Slot* child : children()) {
    y = (*child)(y);
  }
  return y;
}

Tensor ModuleList::forward(const Tensor& /*x*/) {
  fail("ModuleList", "Module [ModuleList] is missing the required \"forward\" function; call its children");
}

}  // namespace evenkeel::nn
