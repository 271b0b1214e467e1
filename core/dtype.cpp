#include "evenkeel/core/dtype.hpp"

#include <ostream>

namespace evenkeel {

std::string_view name(DType dtype) {
  switch (dtype) {
    case DType::float32:
      return "float32";
    case DType::float64:
      return "float64";
    case DType::int64:
      return "int64";
    case DType::uint8:
      return "uint8";
    default:
      return "bool";
  }
}

std::ostream& operator<<(std::ostream& out, DType dtype) { return out << name(dtype); }

DType dtype_from_name(std::string_view text) {
  for (DType dtype : {DType::float32, DType::float64, DType::int64, DType::uint8, DType::boolean}) {
    if (name(dtype) == text) {
      return dtype;
    }
  }
  fail("dtype", "unknown name \"", text, "\", expected float32, float64, int64, uint8 or bool");
}

std::size_t item_size(DType dtype) {
  return dispatch_all(dtype, []<class T>() { return sizeof(T); });
}

}  // namespace evenkeel
