#include "evenkeel/core/deferred.hpp"

#include "evenkeel/core/elementwise.hpp"
#include "evenkeel/core/error.hpp"
#include "evenkeel/core/kernels/simd/environment.hpp"
#include "evenkeel/core/thread_state.hpp"

#include <cstdlib>
#include <string_view>
#include <utility>

namespace evenkeel {
namespace {

bool environment_choice() {
  const char* variable = std::getenv("EVENKEEL_FUSE");
  const std::string_view text = variable != nullptr ? variable : "";
  require(text.empty() || text == "0" || text == "1", "EVENKEEL_FUSE", "expected 0 or 1, got ", text);
  return text != "0";
}

bool& enabled() {
  static const bool initial = from_environment(environment_choice);
  thread_local bool value = initial;
  return value;
}

[[maybe_unused]] const bool inherited =
    inherit_setting([]() -> std::function<void()> { return [value = enabled()] { enabled() = value; }; });
// When the program starts, not at its first norm.
[[maybe_unused]] const bool at_start = enabled();

std::shared_ptr<const PlaneImage> image_of(const Array& x) {
  return std::dynamic_pointer_cast<const PlaneImage>(x.deferred());
}

}  // namespace

bool fusion_enabled() { return enabled(); }
FusionGuard::FusionGuard(bool value) : before_(enabled()) { enabled() = value; }
FusionGuard::~FusionGuard() { enabled() = before_; }

PlaneImage::PlaneImage(Array x, Array pieces, bool relu) : x_(std::move(x)), pieces_(std::move(pieces)), relu_(relu) {}

template <class T>
kernels::PlaneMap<T> PlaneImage::map() const {
  static_assert(sizeof(kernels::Piece<T>) == 5 * sizeof(T));
  return {reinterpret_cast<const kernels::Piece<T>*>(pieces_.data<T>()), x_.size(1),
          pieces_.size(0) == 1 ? 0 : x_.size(1), relu_};
}

void PlaneImage::fill(std::byte* values) const {
  dispatch_float(x_.dtype(), "fill", [&]<class T>() {
    kernels::map_planes<T>(map<T>(), plane_sizes(x_), x_.data<T>(), reinterpret_cast<T*>(values));
  });
}

template <class T>
MappedInput<T>::MappedInput(const Array& x, bool may_map) {
  if (may_map) {
    if (std::shared_ptr<const PlaneImage> image = image_of(x); image != nullptr && image->x().shape() == x.shape()) {
      planes_ = {image->x().data<T>(), image->map<T>()};
      image_ = std::move(image);
      return;
    }
  }
  values_ = x.contiguous();
  planes_ = {values_.data<T>()};
}

Array add_arrays(const Array& a, const Array& b, bool relu) {
  std::shared_ptr<const PlaneImage> image = image_of(a);
  const Array& other = image != nullptr ? b : a;
  image = image != nullptr ? image : image_of(b);
  if (image == nullptr || a.shape() != b.shape()) {
    return relu ? zip<kernels::AddRelu>(a, b) : zip<kernels::Add>(a, b);
  }
  Array y = Array::empty(a.shape(), a.dtype());
  const Array values = other.contiguous();
  dispatch_float(a.dtype(), "add", [&]<class T>() {
    kernels::map_planes_and_add<T>(image->map<T>(), plane_sizes(image->x()), image->x().data<T>(), values.data<T>(),
                                   relu, y.mutable_data<T>());
  });
  return y;
}

template kernels::PlaneMap<float> PlaneImage::map() const;
template kernels::PlaneMap<double> PlaneImage::map() const;
template class MappedInput<float>;
template class MappedInput<double>;

}  // namespace evenkeel
