#include "evenkeel/core/io/npy.hpp"

#include "evenkeel/core/io/file.hpp"
#include "evenkeel/core/io/npy_format.hpp"

#include <cstddef>
#include <cstdint>
#include <string>

namespace evenkeel {

Array load_npy(const std::string& path) {
  const InputFile file(path, "load_npy");
  std::uint64_t position = 0;
  return detail::read_npy({.op = "load_npy",
                           .where = concat(path, ": "),
                           .size = file.size(),
                           .read = [&](void* destination, std::size_t bytes) {
                             file.read(position, destination, bytes);
                             position += bytes;
                           }});
}

void save_npy(const std::string& path, const Array& array) {
  const Array values = array.contiguous();
  AtomicFile file(path, "save_npy");
  file.write(detail::npy_header(values));
  file.write(values.raw(), static_cast<std::size_t>(values.numel()) * item_size(values.dtype()));
  file.commit();
}

}  // namespace evenkeel
