#pragma once

#include "evenkeel/core/array.hpp"

#include <string>

namespace evenkeel {

/// Reads one array from a NumPy .npy file (format 1.0 or 2.0; '<f4', '<f8', '<i8', '|u1' or '|b1', or float16 '<f2',
/// which becomes float32, or int32 '<i4', which becomes int64; C or Fortran order). Everything is checked before memory
/// is taken. Throws IoError if the file can't be read, FileError with the path if its contents are not exactly such an
/// array.
Array load_npy(const std::string& path);

/// Writes `array` as .npy, format 1.0, C order, replacing the file as a whole (see AtomicFile). Throws IoError.
void save_npy(const std::string& path, const Array& array);

}  // namespace evenkeel
