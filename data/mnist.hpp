#pragma once

#include "evenkeel/data/array_dataset.hpp"

#include <string>

namespace evenkeel::data {

/// Reads MNIST, or another set in its idx format, from `folder`: train-images-idx3-ubyte and train-labels-idx1-ubyte,
/// or t10k-..., each raw or gzipped with the ending .gz. Images are (1, rows, columns), labels 0 to 9.
/// Throws std::invalid_argument for anything wrong in the files (magic number, sizes, labels), IoError if one is
/// missing. LeCun, Cortes & Burges, "The MNIST database of handwritten digits".
ArrayDataset load_mnist(const std::string& folder, Split split);

}  // namespace evenkeel::data
