#pragma once

#include "evenkeel/data/array_dataset.hpp"

#include <string>

namespace evenkeel::data {

/// Reads CIFAR-10's binary version from `folder`: all of data_batch_1.bin to data_batch_5.bin that are there, in this
/// order, or test_batch.bin. Images are (3, 32, 32), red, green, blue; labels 0 to 9.
/// Throws FileError naming the file for a cut record, a wrong label, or CIFAR-100's records (whose size
/// fits for 3073 of them and multiples); IoError if there is no file.
/// Krizhevsky 2009, "Learning multiple layers of features from tiny images".
ArrayDataset load_cifar10(const std::string& folder, Split split);

}  // namespace evenkeel::data
