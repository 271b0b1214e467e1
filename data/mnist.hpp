#pragma once

#include "evenkeel/data/array_dataset.hpp"

#include <string>

namespace evenkeel::data {

/// Reads MNIST, or another set in its idx format, from `folder`: train-images-idx3-ubyte and train-labels-idx1-ubyte,
/// or t10k-..., each raw or gzipped with the ending .gz. Images are (1, rows, columns), labels 0 to 9.
/// Throws FileError for anything wrong in the files (magic number, sizes, labels, bytes behind the data or
/// behind the gzip stream, more data than memory can hold), IoError if one is missing; the text names the file. Memory
/// is taken for what a file has, not for what its header declares.
/// LeCun, Cortes & Burges, "The MNIST database of handwritten digits".
ArrayDataset load_mnist(const std::string& folder, Split split);

}  // namespace evenkeel::data
