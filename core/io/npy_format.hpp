#pragma once

#include "evenkeel/core/array.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace evenkeel::detail {

/// Where the bytes of one .npy come from, from the first to the last: a file, or an entry of an archive.
struct NpySource {
  std::string_view op;  ///< that errors begin with
  std::string where;    ///< "path: ", what they name next
  std::uint64_t size = 0;
  std::function<void(void* destination, std::size_t bytes)> read;  ///< the next bytes; throws if there are none
};

/// The array that `source` holds; see load_npy. Throws FileError.
Array read_npy(const NpySource& source);

/// What stands before the values of a contiguous array of this shape and dtype: format 1.0, C order.
std::string npy_header(const Array& array);

}  // namespace evenkeel::detail
