#pragma once

#include "evenkeel/core/io/named_arrays.hpp"

#include <string>

namespace evenkeel {

/// Reads all arrays of a NumPy .npz file, an archive of .npy files, compressed or not, in their order there and without
/// the ".npy" of their names. What an array may be: see load_npy. Their checksums (CRC-32) are verified.
/// Throws IoError if the file can't be read; FileError with the path, and the array's name, for a damaged archive, an
/// entry that is no .npy, two of one name, or an encrypted one.
NamedArrays load_npz(const std::string& path);

/// Writes the arrays as numpy.savez does, or compressed as numpy.savez_compressed, replacing the file as a whole (see
/// AtomicFile). Equal arrays give equal bytes: no times are stored.
/// Throws ValueError for an undefined array and a name that is empty, not UTF-8, there twice, longer
/// than 65531 bytes or has a null character; IoError.
void save_npz(const std::string& path, const NamedArrays& arrays, bool compressed = false);

}  // namespace evenkeel
