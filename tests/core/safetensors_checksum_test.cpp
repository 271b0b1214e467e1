// The checksum of safetensors files, names that share a tensor, and saves that run out of memory.

#include "evenkeel/core/io/safetensors.hpp"
#include "evenkeel/core/random.hpp"
#include "tests/optim/failing_new.hpp"
#include "tests/support/temporary_folder.hpp"

#include <doctest/doctest.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <new>
#include <utility>

using namespace evenkeel;
using doctest::Contains;
using evenkeel::test::read_bytes;
using evenkeel::test::TemporaryFolder;
using evenkeel::test::write_bytes;
namespace fs = std::filesystem;

namespace {

using Metadata = std::map<std::string, std::string>;

std::string file_of(const std::string& header, const std::string& data) {
  const std::uint64_t length = header.size();
  std::string bytes(sizeof length, '\0');
  std::memcpy(bytes.data(), &length, sizeof length);
  return bytes + header + data;
}

bool same_bits(const Array& a, const Array& b) {
  return a.dtype() == b.dtype() && a.shape() == b.shape() &&
         (a.numel() == 0 || std::memcmp(a.contiguous().raw(), b.contiguous().raw(),
                                        static_cast<std::size_t>(a.numel()) * item_size(a.dtype())) == 0);
}

bool same(const Safetensors& a, const Safetensors& b) {
  return a.checked == b.checked && a.metadata == b.metadata && a.tied == b.tied &&
         std::ranges::equal(a.tensors, b.tensors, [](const auto& x, const auto& y) {
           return x.first == y.first && same_bits(x.second, y.second);
         });
}

/// Whether a damaged file is refused, or gives what the whole one gives.
bool refused_or_equal(const fs::path& path, const Safetensors& whole) {
  try {
    return same(load_safetensors(path), whole);
  } catch (const FileError&) {
    return true;
  }
}

const NamedArrays kTensors = {{"a.weight", Array::arange(0, 6).reshape({2, 3})},
                              {"n", Array::scalar(std::int64_t{-7})},
                              {"m", Array::from<bool>(std::span<const bool>(std::array{true, false}), {2})}};
const Metadata kWords = {{"format", "pt"}, {"note", "\u00e9"}};
// Computed from the definition in safetensors.hpp by a program of its own, with Python's zlib.
constexpr std::string_view kChecksum = "evenkeel-crc32:6a95bcd1";

}  // namespace

TEST_CASE("the checksum is the documented one, and does not show in the metadata") {
  const TemporaryFolder folder;
  save_safetensors(folder / "a", kTensors, kWords);
  const std::string bytes = read_bytes(folder / "a");
  CHECK_MESSAGE(bytes.find(concat("\"__metadata__\":{\"evenkeel.checksum\":\"", kChecksum, "\",\"format\"")) == 9,
                bytes);
  const Safetensors loaded = load_safetensors(folder / "a");
  CHECK(loaded.checked);
  CHECK(loaded.metadata == kWords);
  const NamedArrays reordered = {kTensors[2], kTensors[0], kTensors[1]};
  save_safetensors(folder / "b", reordered, kWords);
  CHECK(read_bytes(folder / "b") == bytes);
  save_safetensors(folder / "plain", kTensors, kWords, {.checksum = false});
  const Safetensors plain = load_safetensors(folder / "plain");
  CHECK_FALSE(plain.checked);
  CHECK(plain.metadata == kWords);
  CHECK(read_bytes(folder / "plain").find("evenkeel") == std::string::npos);
}

TEST_CASE("the same content in another layout has the same checksum, another content has not") {
  const TemporaryFolder folder;
  const std::string metadata =
      "\"__metadata__\": {\"note\": \"\\u00e9\",\"evenkeel.checksum\": \"evenkeel-crc32:6a95bcd1\", "
      "\"format\": \"pt\"}";
  const auto file = [&](const std::string& weight, char mask) {
    std::string data("\xf9\xff\xff\xff\xff\xff\xff\xff\1", 9);
    data += mask;
    for (const float x : {0.F, 1.F, 2.F, 3.F, 4.F, 5.F}) {
      data.append(reinterpret_cast<const char*>(&x), sizeof x);
    }
    return file_of(concat("{\"", weight, "\":{\"shape\":[2,3],\"dtype\":\"F32\",\"data_offsets\":[10,34]},",
                          "\"m\":{\"dtype\":\"BOOL\",\"shape\":[2],\"data_offsets\":[8,10]},",
                          "\"n\":{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":[0,8]}, ", metadata, "}"),
                   data);
  };
  write_bytes(folder / "a", file("a.weight", '\0'));
  CHECK(load_safetensors(folder / "a").checked);
  write_bytes(folder / "a", file("a.weighs", '\0'));
  CHECK_THROWS_WITH(load_safetensors(folder / "a"),
                    Contains("its checksum is 'evenkeel-crc32:6a95bcd1', but its content"));
  write_bytes(folder / "a", file("a.weight", '\1'));
  CHECK_THROWS_WITH(load_safetensors(folder / "a"),
                    Contains(concat("load_safetensors: '", (folder / "a").string(), "': the file is damaged").c_str()));
}

TEST_CASE("half types are covered by a checksum as they stand in the file") {
  const TemporaryFolder folder;
  const auto file = [](char last) {
    return file_of(concat("{\"__metadata__\":{\"evenkeel.checksum\":\"evenkeel-crc32:f364eca8\"},",
                          "\"b\":{\"dtype\":\"BF16\",\"shape\":[1],\"data_offsets\":[0,2]},",
                          "\"h\":{\"dtype\":\"F16\",\"shape\":[2],\"data_offsets\":[2,6]}}"),
                   std::string("\x80\x3f\0\x3c\0", 5) + last);
  };
  write_bytes(folder / "a", file('\xc0'));
  const Safetensors loaded = load_safetensors(folder / "a");
  CHECK(loaded.checked);
  CHECK(loaded.tensors[1].second.to_vector<float>() == std::vector<float>{1, -2});
  write_bytes(folder / "a", file('\xc1'));
  CHECK_THROWS_WITH(load_safetensors(folder / "a"), Contains("the file is damaged"));
}

TEST_CASE("every damaged byte of a small file is an error or changes nothing") {
  const TemporaryFolder folder;
  NamedArrays tensors = kTensors;
  tensors.emplace_back("tied", tensors[0].second);
  tensors.emplace_back("none", Array::zeros({0, 3}));
  save_safetensors(folder / "a", tensors, kWords);
  const Safetensors whole = load_safetensors(folder / "a");
  REQUIRE(whole.checked);
  REQUIRE(whole.tied.size() == 1);
  const std::string bytes = read_bytes(folder / "a");
  std::string damaged = bytes;
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    CAPTURE(at);
    std::vector<char> values = {'\0', '"', '\\', '{', '}', ',', ' ', '0', '9', '\xff'};
    for (int bit = 0; bit < 8; ++bit) {
      values.push_back(static_cast<char>(bytes[at] ^ (1 << bit)));
    }
    for (const char value : values) {
      damaged[at] = value;
      write_bytes(folder / "b", damaged);
      CHECK_MESSAGE(refused_or_equal(folder / "b", whole), static_cast<int>(value));
    }
    damaged[at] = bytes[at];
  }
}

TEST_CASE("a damaged byte of a larger file is an error, wherever it is") {
  const TemporaryFolder folder;
  save_safetensors(folder / "a", {{"w", Array::arange(0, 50'000)}, {"b", Array::zeros({1000})}});
  std::string bytes = read_bytes(folder / "a");
  const std::size_t data = bytes.size() - 204'000;
  Generator generator(1);
  for (int i = 0; i < 200; ++i) {
    const auto at = data + static_cast<std::size_t>(generator.below(204'000));
    const char before = std::exchange(bytes[at], static_cast<char>(bytes[at] ^ (1 << generator.below(8))));
    CAPTURE(at);
    write_bytes(folder / "b", bytes);
    CHECK_THROWS_WITH(load_safetensors(folder / "b"), Contains("the file is damaged: its checksum"));
    bytes[at] = before;
  }
  write_bytes(folder / "b", bytes);
  CHECK(load_safetensors(folder / "b").checked);
}

TEST_CASE("half a checksum is an error, not a file without one") {
  const TemporaryFolder folder;
  const auto metadata = [&](const std::string& key, const std::string& value) {
    write_bytes(folder / "a", file_of(concat("{\"__metadata__\":{\"", key, "\":\"", value, "\"}}"), ""));
    return folder / "a";
  };
  CHECK_THROWS_WITH(load_safetensors(metadata("evenkeel.checksun", "evenkeel-crc32:00000000")),
                    Contains("the file is damaged: the metadata 'evenkeel.checksun' is 'evenkeel-crc32:00000000'"));
  CHECK_THROWS_WITH(load_safetensors(metadata("evenkeel.checksum", "evenkeel-crc31:00000000")), Contains("is damaged"));
  CHECK_THROWS_WITH(load_safetensors(metadata("evenkeel.checksum", "evenkeel-crc32:00000000")), Contains("is damaged"));
  CHECK_FALSE(load_safetensors(metadata("checksum", "crc32:00000000")).checked);
}

TEST_CASE("metadata that would be read as something else are refused") {
  const TemporaryFolder folder;
  const auto error = [&](const Metadata& metadata) {
    CHECK_THROWS_WITH_AS(save_safetensors(folder / "a", kTensors, metadata), Contains("would be taken for"),
                         ValueError);
  };
  error({{"evenkeel.checksum", "x"}});
  error({{"x", "evenkeel-crc32:12345678"}});
  error({{"x", "a.weight"}});
  CHECK(folder.files() == 0);
  const Metadata fine = {{"n", "a.weight"}, {"x", "a.weight2"}, {"", ""}};
  save_safetensors(folder / "a", kTensors, fine);
  CHECK(load_safetensors(folder / "a").metadata == fine);
}

TEST_CASE("an array with several names is stored once and comes back under all of them") {
  const TemporaryFolder folder;
  const Array shared = Array::arange(0, 1000);
  const NamedArrays saved = {{"head.weight", shared},
                             {"other", shared.clone()},
                             {"embed.weight", shared},
                             {"part", shared.slice(0, 0, 10)},
                             {"third", shared}};
  save_safetensors(folder / "a", saved, {{"format", "pt"}});
  CHECK(fs::file_size(folder / "a") < 2 * 4000 + 1000);
  const Safetensors loaded = load_safetensors(folder / "a");
  CHECK(loaded.checked);
  CHECK(loaded.metadata == Metadata{{"format", "pt"}});
  CHECK(loaded.tied == Metadata{{"head.weight", "embed.weight"}, {"third", "embed.weight"}});
  REQUIRE(loaded.tensors.size() == saved.size());
  std::map<std::string, Array> found(loaded.tensors.begin(), loaded.tensors.end());
  for (const auto& entry : saved) {
    const std::string& name = entry.first;
    CAPTURE(name);
    REQUIRE(found.contains(name));
    CHECK(same_bits(found[name], entry.second));
  }
  CHECK(found["head.weight"].shares_storage(found["embed.weight"]));
  CHECK_FALSE(found["other"].shares_storage(found["embed.weight"]));
  // Loaded and saved again: the same bytes.
  save_safetensors(folder / "b", loaded.tensors, loaded.metadata);
  CHECK(read_bytes(folder / "b") == read_bytes(folder / "a"));
}

TEST_CASE("names that metadata can't hold are stored") {
  const TemporaryFolder folder;
  const Array shared = Array::ones({3});
  save_safetensors(folder / "a", {{"a", shared}, {"note", shared}}, {{"note", "text"}});
  save_safetensors(folder / "b", {{"a", shared}, {"evenkeel.checksum", shared}});
  save_safetensors(folder / "c", {{"evenkeel-crc32:1", shared}, {"z", shared}});
  for (const char* name : {"a", "b", "c"}) {
    CAPTURE(name);
    const Safetensors loaded = load_safetensors(folder / name);
    CHECK(loaded.checked);
    CHECK(loaded.tied.empty());
    CHECK(loaded.tensors.size() == 2);
  }
}

TEST_CASE("the tied names of a file of safetensors' save_model come back") {
  const TemporaryFolder folder;
  write_bytes(folder / "a", file_of("{\"__metadata__\":{\"b.weight\":\"a.weight\",\"format\":\"pt\"},"
                                    "\"a.weight\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}",
                                    "\x07"));
  const Safetensors loaded = load_safetensors(folder / "a");
  CHECK_FALSE(loaded.checked);
  REQUIRE(loaded.tensors.size() == 2);
  CHECK(loaded.tensors[1].first == "b.weight");
  CHECK(loaded.tensors[1].second.item() == 7);
  CHECK(loaded.metadata == Metadata{{"format", "pt"}});
}

TEST_CASE("an allocation that fails while a file is saved or loaded is an error and changes nothing") {
  const TemporaryFolder folder;
  save_safetensors(folder / "a", {{"x", Array::ones({2})}});
  const std::string before = read_bytes(folder / "a");
  const std::string long_name(100, 'n');
  const NamedArrays tensors = {
      {"x", kTensors[0].second}, {long_name, kTensors[0].second.transpose(0, 1)}, {"tied", kTensors[0].second}};
  const Metadata metadata = {{long_name, long_name + "\n"}, {"k", std::string(5000, '"')}};
  const std::string path = folder / "a";
  int failures = 0;
  for (bool failed = true; failed; failures += failed ? 1 : 0) {
    REQUIRE(failures < 2000);
    test::allocations_until_failure = failures;
    try {
      save_safetensors(path, tensors, metadata);
      failed = false;
    } catch (const std::bad_alloc&) {
    }
    // One that is met where nothing depends on it (the list of the folder's files) does not show.
    failed = std::exchange(test::allocations_until_failure, -1) < 0 || failed;
    const std::string now = read_bytes(path);
    CHECK((now == before || load_safetensors(path).tensors.size() == 3));
    CHECK(folder.files() == 1);
  }
  CHECK(failures > 50);
  const Safetensors whole = load_safetensors(path);
  for (failures = 0;; ++failures) {
    REQUIRE(failures < 2000);
    test::allocations_until_failure = failures;
    bool failed = false;
    Safetensors loaded;
    try {
      loaded = load_safetensors(path);
    } catch (const std::bad_alloc&) {
      failed = true;
    }
    test::allocations_until_failure = -1;
    if (!failed) {
      CHECK(same(loaded, whole));
      break;
    }
  }
  CHECK(failures > 50);
}
