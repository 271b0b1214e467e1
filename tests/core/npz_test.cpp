#include "evenkeel/core/io/npz.hpp"

#include "evenkeel/core/error.hpp"
#include "evenkeel/core/io/npy.hpp"
#include "tests/support/temporary_folder.hpp"

#include <doctest/doctest.h>

#include <cstring>
#include <filesystem>
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

std::vector<double> values(const Array& array) { return array.to(DType::float64).to_vector<double>(); }

bool same(const NamedArrays& a, const NamedArrays& b) {
  if (a.size() != b.size()) {
    return false;
  }
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a[i].first != b[i].first || a[i].second.shape() != b[i].second.shape() ||
        a[i].second.dtype() != b[i].second.dtype() || values(a[i].second) != values(b[i].second)) {
      return false;
    }
  }
  return true;
}

}  // namespace

TEST_CASE("load_npz reads what numpy.savez and savez_compressed write") {
  const NamedArrays plain = load_npz(kFixtures / "plain.npz");
  REQUIRE(plain.size() == 5);
  CHECK(plain[0].first == "weight");
  CHECK(plain[0].second.shape() == Shape{3, 100});
  for (std::size_t i = 0; i < 300; ++i) {
    REQUIRE(plain[0].second.to_vector<float>()[i] == static_cast<float>(i % 7));
  }
  CHECK(plain[1].first == "layer.0/bias");
  CHECK(plain[1].second.to_vector<double>() == std::vector<double>{0, 1, 2, 3, 4, 5});
  CHECK(plain[2].first == "half");
  CHECK(plain[2].second.to_vector<float>() == std::vector<float>{0.5F, -2});
  CHECK(plain[3].first == "größe");
  CHECK(plain[3].second.item_int64() == 7);
  CHECK(plain[4].second.shape() == Shape{0, 2});
  CHECK(same(load_npz(kFixtures / "compressed.npz"), plain));
}

TEST_CASE("save_npz writes what load_npz reads, the same bytes each time, and replaces the file as a whole") {
  const TemporaryFolder folder;
  const fs::path path = folder / "x.npz";
  const NamedArrays arrays = {
      {"a", Array::arange(0, 12, 1, DType::float64).reshape({3, 4}).transpose(0, 1)},
      {"b.weight", Array::full({20000}, 3, DType::float32)},
      {"ü", Array::scalar(true)},
      {"empty", Array::zeros({2, 0}, DType::int64)},
  };
  std::size_t sizes[2];
  for (const bool compressed : {false, true}) {
    CAPTURE(compressed);
    save_npz(path, arrays, compressed);
    CHECK(same(load_npz(path), arrays));
    const std::string bytes = read_bytes(path);
    save_npz(path, arrays, compressed);
    CHECK(read_bytes(path) == bytes);
    sizes[compressed ? 1 : 0] = bytes.size();
    CHECK(std::distance(fs::directory_iterator(folder.path()), {}) == 1);
  }
  CHECK(sizes[0] > 80000);
  CHECK(sizes[1] < 2000);
  CHECK_THROWS_WITH_AS(save_npz(path, {{"a", Array()}}), "save_npz: array 'a' is undefined", ValueError);
  CHECK_THROWS_WITH_AS(save_npz(path, {{"", arrays[0].second}}), "save_npz: a name must not be empty", ValueError);
  CHECK_THROWS_WITH_AS(save_npz(path, {arrays[0], arrays[0]}), "save_npz: duplicate name 'a'", ValueError);
  CHECK_THROWS_WITH_AS(save_npz(path, {{"\xff", arrays[0].second}}), Contains("a name must be UTF-8, got '\xff'"),
                       ValueError);
  CHECK_THROWS_WITH_AS(save_npz(path, {{std::string("a\0b", 3), arrays[0].second}}),
                       Contains("a name must have no null character"), ValueError);
  const std::string longest(65531, 'n');
  CHECK_THROWS_WITH_AS(save_npz(path, {{longest + "n", arrays[0].second}}),
                       "save_npz: a name must have at most 65531 bytes, got 65532", ValueError);
  save_npz(folder / "long.npz", {{longest, arrays[0].second}});
  CHECK(load_npz(folder / "long.npz").at(0).first == longest);
  CHECK_THROWS_AS(save_npz(folder / "missing" / "x.npz", arrays), IoError);
  CHECK(same(load_npz(path), arrays));
  save_npz(path, {});
  CHECK(load_npz(path).empty());
}

TEST_CASE("a damaged or cut archive is refused, or what it says is unchanged") {
  const TemporaryFolder folder;
  const fs::path path = folder / "damaged.npz";
  const NamedArrays arrays = {{"a", Array::arange(0, 5)}, {"b", Array::scalar(2.5)}};
  for (const bool compressed : {false, true}) {
    CAPTURE(compressed);
    save_npz(path, arrays, compressed);
    const std::string whole = read_bytes(path);
    for (std::size_t i = 0; i < whole.size(); ++i) {
      CAPTURE(i);
      write_bytes(path, whole.substr(0, i));
      CHECK_THROWS_WITH_AS(load_npz(path), Contains(path.c_str()), FileError);
      for (const int flip : {1, 0x80, 0xff}) {
        std::string bytes = whole;
        bytes[i] = static_cast<char>(bytes[i] ^ flip);
        write_bytes(path, bytes);
        bool right = false;
        try {
          right = same(load_npz(path), arrays);
        } catch (const FileError& error) {
          right = std::strstr(error.what(), path.c_str()) != nullptr;
        }
        CHECK(right);
      }
    }
  }
}

TEST_CASE("an archive of other files is refused") {
  const TemporaryFolder folder;
  CHECK_THROWS_AS(load_npz(folder / "missing.npz"), IoError);
  CHECK_THROWS_WITH_AS(load_npz(kFixtures / "f4_c.npy"), Contains("f4_c.npy: not an .npz file: "), FileError);
  const fs::path path = folder / "x.npz";
  save_npz(path, {{"a", Array::arange(0, 5)}});
  std::string bytes = read_bytes(path);
  for (std::size_t at = 0; (at = bytes.find("a.npy", at)) != std::string::npos; ++at) {
    bytes.replace(at, 5, "a.txt");
  }
  write_bytes(path, bytes);
  CHECK_THROWS_WITH_AS(load_npz(path), Contains("entry 'a.txt' must be a .npy file"), FileError);
}
