#include "evenkeel/core/io/npy.hpp"

#include "evenkeel/core/io/file.hpp"
#include "tests/support/temporary_folder.hpp"

#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>
#include <string>
#include <vector>

using namespace evenkeel;
using doctest::Contains;
using evenkeel::test::read_bytes;
using evenkeel::test::TemporaryFolder;
using evenkeel::test::write_bytes;
namespace fs = std::filesystem;

namespace {

const fs::path kFixtures = fs::path(EVENKEEL_FIXTURES) / "core";

// A version 1.0 file with this header text and `data_bytes` zeros.
std::string file_with(const std::string& header, std::size_t data_bytes) {
  std::string bytes("\x93NUMPY\x01\x00", 8);
  bytes += static_cast<char>(header.size() % 256);
  bytes += static_cast<char>(header.size() / 256);
  return bytes + header + std::string(data_bytes, '\0');
}

}  // namespace

// Files that NumPy wrote; see tests/fixtures/core/make_npy.py.
TEST_CASE("load_npy reads what NumPy writes") {
  const Array c = load_npy(kFixtures / "f4_c.npy");
  CHECK(c.shape() == Shape{2, 3});
  CHECK(c.to_vector<float>() == std::vector<float>{0, 0.25F, 0.5F, 0.75F, 1, 1.25F});
  const Array fortran = load_npy(kFixtures / "f8_fortran.npy");
  CHECK(fortran.shape() == Shape{2, 3, 4});
  CHECK(fortran.is_contiguous());
  CHECK(fortran.to_vector<double>() == Array::arange(0, 24, 1, DType::float64).to_vector<double>());
  CHECK(load_npy(kFixtures / "i8_vector.npy").to_vector<std::int64_t>() ==
        std::vector<std::int64_t>{9007199254740993, -1});
  const Array none = load_npy(kFixtures / "u1_empty.npy");
  CHECK(none.shape() == Shape{0, 3});
  CHECK(none.dtype() == DType::uint8);
  const Array scalar = load_npy(kFixtures / "b1_scalar.npy");
  CHECK(scalar.rank() == 0);
  CHECK(scalar.to_vector<bool>() == std::vector<bool>{true});
  const Array version2 = load_npy(kFixtures / "f4_v2.npy");
  CHECK(version2.shape() == Shape{2, 1});
  CHECK(version2.to_vector<float>() == std::vector<float>{1.5F, -2});
}

TEST_CASE("float16 becomes float32 and int32 int64, with the same values") {
  const Array halves = load_npy(kFixtures / "f2_special.npy");
  CHECK(halves.dtype() == DType::float32);
  const std::vector<float> values = halves.to_vector<float>();
  REQUIRE(values.size() == 6);
  CHECK(std::vector<float>(values.begin(), values.begin() + 4) == std::vector<float>{1.5F, 0, 65504, 0x1p-24F});
  CHECK(std::signbit(values[1]));
  CHECK(values[4] == -std::numeric_limits<float>::infinity());
  CHECK(std::isnan(values[5]));
  const Array integers = load_npy(kFixtures / "i4_fortran.npy");
  CHECK(integers.shape() == Shape{2, 3});
  CHECK(integers.to_vector<std::int64_t>() == std::vector<std::int64_t>{1, -2, 3, 2147483647, -2147483648, 0});
}

TEST_CASE("save_npy writes the bytes that NumPy writes") {
  const TemporaryFolder folder;
  for (const char* name : {"f4_c.npy", "i8_vector.npy", "u1_empty.npy", "b1_scalar.npy"}) {
    CAPTURE(name);
    save_npy(folder / name, load_npy(kFixtures / name));
    CHECK(read_bytes(folder / name) == read_bytes(kFixtures / name));
  }
}

TEST_CASE("a view is saved in its logical order, and a file is replaced as a whole") {
  const TemporaryFolder folder;
  const fs::path path = folder / "x.npy";
  const Array x = Array::arange(0, 12, 1, DType::float64).reshape({3, 4}).transpose(0, 1);
  save_npy(path, Array::ones({1000}));
  save_npy(path, x);
  const Array y = load_npy(path);
  CHECK(y.shape() == Shape{4, 3});
  CHECK(y.to_vector<double>() == x.to_vector<double>());
  CHECK(std::distance(fs::directory_iterator(folder.path()), {}) == 1);
  CHECK_THROWS_AS(save_npy(path, Array{}), std::invalid_argument);
  CHECK_THROWS_AS(save_npy(folder / "missing" / "x.npy", x), IoError);
  CHECK_THROWS_AS(load_npy(folder / "missing.npy"), IoError);
  CHECK_THROWS_AS(load_npy(folder.path()), IoError);
  CHECK(load_npy(path).numel() == 12);
}

TEST_CASE("a file cut at any byte, or with a byte too much, is refused") {
  const TemporaryFolder folder;
  const fs::path path = folder / "cut.npy";
  const std::string whole = read_bytes(kFixtures / "f4_c.npy");
  for (std::size_t size = 0; size < whole.size(); ++size) {
    write_bytes(path, whole.substr(0, size));
    CHECK_THROWS_AS(load_npy(path), FileError);
  }
  write_bytes(path, whole + '\0');
  const std::string error =
      "load_npy: " + path.string() + ": shape [2, 3] of float32 needs 6 elements, but the file holds 25 bytes of data";
  CHECK_THROWS_WITH_AS(load_npy(path), error.c_str(), FileError);
}

TEST_CASE("a header that is not exactly NumPy's is refused") {
  const TemporaryFolder folder;
  const fs::path path = folder / "bad.npy";
  struct Row {
    const char* header;
    const char* error;
  };
  const Row rows[] = {
      {"{'descr': '>f4', 'fortran_order': False, 'shape': (2,), }\n", "unsupported dtype '>f4'"},
      {"{'descr': '<i2', 'fortran_order': False, 'shape': (2,), }\n", "expected '<f4'"},
      {"{'descr': '<f2', 'fortran_order': False, 'shape': (3,), }\n", "shape [3] of float16 needs 3 elements"},
      {"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,), }\n", "expected '\"'"},
      {"{'descr': '<f4', 'fortran_order': 0, 'shape': (2,), }\n", "expected True or False"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (2), }\n", "'shape' is not a tuple"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (-2,), }\n", "expected a size"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (,), }\n", "expected a size"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (2 3), }\n", "not a tuple"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (2,), 'more': 1}\n", "unexpected or repeated key 'more'"},
      {"{'descr': '<f4', 'descr': '<f4', 'shape': (2,), }\n", "unexpected or repeated key 'descr'"},
      {"{'descr': '<f4', 'shape': (2,), }\n", "the header lacks"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (2,), } x\n", "unexpected text after"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (2,) \n", "expected '}'"},
      {"{'descr': '<f4\n", "does not end"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,1), }\n", "more than 8 dims"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,), }\n", "too large"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296), }\n", "64-bit integers"},
      {"{'descr': '<f4', 'fortran_order': True, 'shape': (0, 4611686018427387904, 4611686018427387904), }\n",
       "64-bit integers"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387905,), }\n", "but the file holds 8 bytes"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }\n", "needs 3 elements"},
      {"", "expected '{'"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.header);
    write_bytes(path, file_with(row.header, 8));
    CHECK_THROWS_WITH_AS(load_npy(path), Contains(row.error), FileError);
    CHECK_THROWS_WITH(load_npy(path), Contains(path.c_str()));
  }
  write_bytes(path, file_with("{\"shape\":(2,),\"fortran_order\":True,\"descr\":\"<f4\"}", 8));
  CHECK(load_npy(path).to_vector<float>() == std::vector<float>{0, 0});
}

TEST_CASE("other versions, other files and bad booleans are refused") {
  const TemporaryFolder folder;
  const fs::path path = folder / "bad.npy";
  std::string bytes = read_bytes(kFixtures / "f4_c.npy");
  bytes[6] = 3;
  write_bytes(path, bytes);
  CHECK_THROWS_WITH_AS(load_npy(path), Contains("format version 3.0 is not supported"), FileError);
  bytes[0] = 'x';
  write_bytes(path, bytes);
  CHECK_THROWS_WITH_AS(load_npy(path), Contains("not a .npy file"), FileError);
  bytes = read_bytes(kFixtures / "b1_scalar.npy");
  bytes.back() = 2;
  write_bytes(path, bytes);
  CHECK_THROWS_WITH_AS(load_npy(path), Contains("a bool is neither 0 nor 1"), FileError);
}
