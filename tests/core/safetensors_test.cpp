#include "evenkeel/core/io/safetensors.hpp"

#include "evenkeel/core/io/file.hpp"
#include "tests/support/temporary_folder.hpp"

#include <doctest/doctest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmath>
#include <csignal>
#include <cstring>
#include <fstream>
#include <limits>

using namespace evenkeel;
using evenkeel::test::read_bytes;
using evenkeel::test::TemporaryFolder;
using evenkeel::test::write_bytes;
namespace fs = std::filesystem;

namespace {

std::string file_of(const std::string& header, const std::string& data, std::uint64_t length) {
  std::string bytes(sizeof length, '\0');
  std::memcpy(bytes.data(), &length, sizeof length);
  return bytes + header + data;
}

std::string file_of(const std::string& header, const std::string& data) { return file_of(header, data, header.size()); }

std::string load_error(const fs::path& path) {
  try {
    load_safetensors(path);
  } catch (const FileError& error) {
    return error.what();
  }
  return "no error";
}

std::string entry(const std::string& name, const std::string& dtype, const std::string& shape,
                  const std::string& offsets) {
  return concat("\"", name, "\":{\"dtype\":\"", dtype, "\",\"shape\":", shape, ",\"data_offsets\":", offsets, "}");
}

/// A header of these entries.
std::string object(const std::vector<std::string>& entries) {
  std::string text = "{";
  for (const std::string& one : entries) {
    text += text.size() > 1 ? "," : "";
    text += one;
  }
  return text += "}";
}

}  // namespace

TEST_CASE("every dtype, shape and special value makes the round trip") {
  const TemporaryFolder folder;
  const float inf = std::numeric_limits<float>::infinity();
  const std::vector<float> values = {1.5F, -0.0F, inf, -inf, 1e-42F, std::nanf("7")};
  const NamedArrays saved = {
      {"weight", Array::from(values, {2, 3})},
      {"a.bias", Array::from(std::vector<double>{1e-320, -2.25, 3}, {3})},
      {"steps", Array::scalar(std::int64_t{-9007199254740993})},
      {"image", Array::from(std::vector<std::uint8_t>{0, 7, 255}, {3, 1, 1})},
      {"mask", Array::from<bool>(std::span<const bool>(std::array{true, false, true}), {3})},
      {"empty", Array::empty({0, 5})},
      {"transposed", Array::arange(0, 6).reshape({2, 3}).transpose(0, 1)},
  };
  save_safetensors(folder / "a", saved, {{"format", "pt"}, {"note", "\"quoted\" \n \u00e9"}});
  const Safetensors loaded = load_safetensors(folder / "a");
  CHECK(loaded.metadata == std::map<std::string, std::string>{{"format", "pt"}, {"note", "\"quoted\" \n \u00e9"}});
  REQUIRE(loaded.tensors.size() == saved.size());
  for (const auto& entry : saved) {
    const auto& name = entry.first;
    const auto& array = entry.second;
    CAPTURE(name);
    const auto found =
        std::find_if(loaded.tensors.begin(), loaded.tensors.end(), [&](const auto& e) { return e.first == name; });
    REQUIRE(found != loaded.tensors.end());
    CHECK(found->second.dtype() == array.dtype());
    REQUIRE(found->second.shape() == array.shape());
    const Array expected = array.contiguous();
    const auto bytes = static_cast<std::size_t>(array.numel()) * item_size(array.dtype());
    CHECK(std::memcmp(found->second.raw(), expected.raw(), bytes) == 0);
  }
}

TEST_CASE("the bytes follow the reference layout and are the same every time") {
  const TemporaryFolder folder;
  const NamedArrays tensors = {{"b", Array::from(std::vector<float>{1}, {1})},
                               {"a", Array::from(std::vector<float>{2, 3}, {2})},
                               {"n", Array::scalar(std::int64_t{1})}};
  save_safetensors(folder / "a", tensors, {}, {.checksum = false});
  const NamedArrays reordered = {tensors[2], tensors[1], tensors[0]};
  save_safetensors(folder / "b", reordered, {}, {.checksum = false});
  const std::string bytes = read_bytes(folder / "a");
  CHECK(bytes == read_bytes(folder / "b"));
  std::string header = object(
      {entry("n", "I64", "[]", "[0,8]"), entry("a", "F32", "[2]", "[8,16]"), entry("b", "F32", "[1]", "[16,20]")});
  header.resize((header.size() + 7) / 8 * 8, ' ');
  CHECK(bytes.substr(0, 8 + header.size()) == file_of(header, ""));
  CHECK(bytes.size() == 8 + header.size() + 20);
}

TEST_CASE("half types become float32 exactly") {
  const TemporaryFolder folder;
  const std::vector<std::uint16_t> half = {0x3c00, 0xc000, 0x0001, 0x03ff, 0x7bff, 0x7c00, 0xfc00, 0x8000, 0x7e00};
  const std::vector<std::uint16_t> brain = {0x3f80, 0xc000, 0x0001, 0x7f7f, 0x7f80, 0x8000, 0x4049, 0x7fc0, 0x0000};
  std::string data(reinterpret_cast<const char*>(half.data()), 18);
  data.append(reinterpret_cast<const char*>(brain.data()), 18);
  write_bytes(folder / "a",
              file_of(object({entry("b", "BF16", "[3,3]", "[18,36]"), entry("h", "F16", "[9]", "[0,18]")}), data));
  const Safetensors loaded = load_safetensors(folder / "a");
  REQUIRE(loaded.tensors.size() == 2);
  CHECK(loaded.tensors[0].first == "h");
  const auto h = loaded.tensors[0].second.to_vector<float>();
  const float inf = std::numeric_limits<float>::infinity();
  const std::vector<float> expected = {1, -2, 0x1p-24F, 1023 * 0x1p-24F, 65504, inf, -inf, -0.0F};
  for (std::size_t i = 0; i < expected.size(); ++i) {
    CHECK(h[i] == expected[i]);
  }
  CHECK(std::signbit(h[7]));
  CHECK(std::isnan(h[8]));
  const auto b = loaded.tensors[1].second.to_vector<float>();
  CHECK(b[0] == 1);
  CHECK(b[1] == -2);
  CHECK(b[2] == 0x1p-133F);
  CHECK(b[4] == inf);
  CHECK(b[6] == 3.140625F);
  CHECK(std::isnan(b[7]));
}

TEST_CASE("a file without tensors, unaligned data and a padded header load") {
  const TemporaryFolder folder;
  write_bytes(folder / "a", file_of("{}      ", ""));
  CHECK(load_safetensors(folder / "a").tensors.empty());
  const std::string header =
      object({entry("u", "U8", "[1]", "[0,1]"), entry("f", "F32", "[]", "[1,5]"), entry("z", "F64", "[0]", "[1,1]")});
  write_bytes(folder / "b", file_of(header, std::string("\x09\x00\x00\x20\x41", 5)));
  const Safetensors loaded = load_safetensors(folder / "b");
  REQUIRE(loaded.tensors.size() == 3);
  CHECK(loaded.tensors[0].second.item() == 9);
  CHECK(loaded.tensors[1].first == "z");
  CHECK(loaded.tensors[2].second.item() == 10);
}

TEST_CASE("each corruption is refused and named") {
  const TemporaryFolder folder;
  const fs::path path = folder / "a";
  const auto f32 = [](const std::string& shape, const std::string& offsets) {
    return object({entry("x", "F32", shape, offsets)});
  };
  const std::string eight(8, 'x');
  struct Case {
    std::string bytes, text;
  };
  const std::vector<Case> cases = {
      {"", "the file has 0 bytes, too few"},
      {"1234567", "the file has 7 bytes, too few"},
      {file_of("", "", 0), "the header is not a JSON object"},
      {file_of("{}", "", 3), "the header length 3 goes beyond the end of the file (10 bytes)"},
      {file_of("{}", "", std::uint64_t{1} << 63), "the header length 9223372036854775808 exceeds the limit"},
      {file_of("{}", "", UINT64_MAX), "the header length 18446744073709551615 exceeds the limit"},
      {file_of("{}", "", 100'000'001), "exceeds the limit of 100000000"},
      {file_of("[]", ""), "the header is not a JSON object"},
      {file_of(" {}", ""), "the header is not a JSON object"},
      {file_of("\xEF\xBB\xBF{}", ""), "the header is not a JSON object"},
      {file_of(std::string("{}\0{", 4), ""), "the header is not a JSON object"},
      {file_of("{", ""), "the header is not valid JSON"},
      {file_of("{}x", ""), "the header is not valid JSON"},
      {file_of("{\"a\xff\":1}", ""), "the header is not valid JSON"},
      {file_of("{\"\\ud800\":1}", ""), "the header is not valid JSON"},
      {file_of("{\"x\":NaN}", ""), "the header is not valid JSON"},
      {file_of("{\"x\":1}", ""), "a number where none belongs, at 'x'"},
      {file_of("{\"x\":null}", ""), "null at 'x'"},
      {file_of("{\"x\":true}", ""), "a boolean at 'x'"},
      {file_of("{\"x\":\"y\"}", ""), "a string where none belongs, at 'x'"},
      {file_of("{\"x\":[]}", ""), "a list where none belongs, at 'x'"},
      {file_of("{\"x\":{\"y\":{}}}", ""), "an object nested too deep, at 'y'"},
      {file_of("{\"x\":{\"shape\":[[1]]}}", ""), "a list where none belongs, at 'shape'"},
      {file_of("{\"x\":{\"shape\":[{}]}}", ""), "an object inside a list"},
      {file_of("{\"x\":{\"shape\":[\"1\"]}}", ""), "a string where none belongs"},
      {file_of("{\"x\":{\"extra\":\"1\"}}", ""), "tensor 'x' has an unknown key 'extra'"},
      {file_of("{\"x\":{\"dtype\":\"F32\",\"dtype\":\"F32\"}}", ""), "tensor 'x' has a duplicate key 'dtype'"},
      {file_of("{\"x\":{\"shape\":[],\"shape\":[]}}", ""), "tensor 'x' has a duplicate key 'shape'"},
      {file_of("{\"__metadata__\":{\"a\":1}}", ""), "a number where none belongs, at 'a'"},
      {file_of("{\"__metadata__\":{\"a\":\"1\",\"a\":\"2\"}}", ""), "duplicate key 'a' in __metadata__"},
      {file_of(object({entry("x", "U8", "[0]", "[0,0]"), entry("x", "U8", "[0]", "[0,0]")}), ""), "duplicate key 'x'"},
      {file_of("{\"x\":{}}", ""), "tensor 'x' lacks dtype, shape or data_offsets"},
      {file_of(object({entry("x", "F31", "[2]", "[0,8]")}), eight), "has the dtype 'F31', expected F64, F32, F16"},
      {file_of(f32("[2]", "[0]"), eight), "has 1 data_offsets, expected 2"},
      {file_of(f32("[2]", "[0,8,8]"), eight), "has 3 data_offsets, expected 2"},
      {file_of(f32("[2]", "[8,0]"), eight), "has reversed data_offsets [8, 0]"},
      {file_of(f32("[2]", "[-1,7]"), eight), "the number -1 at 'data_offsets'"},
      {file_of(f32("[2.0]", "[0,8]"), eight), "the number 2.0 at 'shape'"},
      {file_of(f32("[1e1]", "[0,8]"), eight), "the number 1e1 at 'shape'"},
      {file_of(f32("[1,1,1,1,1,1,1,1,2]", "[0,8]"), eight), "'shape' has more than 8 values"},
      {file_of(f32("[3]", "[0,8]"), eight), "has data_offsets [0, 8], but its dtype and shape make 12 bytes"},
      {file_of(f32("[4294967296,4294967296]", "[0,0]"), ""), "the shape of tensor 'x' overflows"},
      {file_of(f32("[9223372036854775808,2]", "[0,0]"), ""), "the shape of tensor 'x' overflows"},
      {file_of(f32("[2305843009213693952]", "[0,0]"), ""), "the shape of tensor 'x' overflows"},
      {file_of(f32("[0,4611686018427387904,4611686018427387904]", "[0,0]"), ""), "the shape of tensor 'x' overflows"},
      {file_of(f32("[4611686018427387904,4611686018427387904,0]", "[0,0]"), ""), "the shape of tensor 'x' overflows"},
      {file_of(f32("[2]", "[0,8]"), "1234567"),
       "ends at byte 8, but there are 7 bytes of data (is the file truncated?)"},
      {file_of(f32("[2]", "[0,8]"), concat(eight, "!")), "1 bytes after the last tensor"},
      {file_of("{}", "!"), "1 bytes after the last tensor"},
      {file_of(f32("[1]", "[4,8]"), eight), "a hole of 4 bytes before the data of tensor 'x'"},
      {file_of(object({entry("x", "F32", "[2]", "[0,8]"), entry("y", "F32", "[1]", "[4,8]")}), eight),
       "the data of tensor 'y' overlaps another's"},
      {file_of(object({entry("x", "BOOL", "[2]", "[0,2]")}), std::string("\x01\x02", 2)),
       "is BOOL but has bytes other than 0 and 1"},
      {file_of(concat("{\"x\":", std::string(100'000, '[')), ""), "a list where none belongs"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.text);
    write_bytes(path, c.bytes);
    const std::string error = load_error(path);
    CHECK_MESSAGE(error.find(c.text) != std::string::npos, error);
    CHECK(error.starts_with(concat("load_safetensors: '", path.string(), "': ")));
  }
}

TEST_CASE("a file cut at any byte is refused") {
  const TemporaryFolder folder;
  save_safetensors(folder / "a", {{"x", Array::ones({3, 2})}, {"n", Array::scalar(std::int64_t{4})}});
  const std::string bytes = read_bytes(folder / "a");
  for (std::size_t length = 0; length < bytes.size(); ++length) {
    CAPTURE(length);
    write_bytes(folder / "b", bytes.substr(0, length));
    CHECK_THROWS_AS(load_safetensors(folder / "b"), FileError);
  }
}

TEST_CASE("any byte changed gives an error or a valid file, never a crash") {
  const TemporaryFolder folder;
  save_safetensors(folder / "a", {{"x", Array::ones({3, 2})}, {"m", Array::zeros({2}, DType::boolean)}}, {{"k", "v"}});
  const std::string bytes = read_bytes(folder / "a");
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    for (const char value : {'\0', '"', '{', '9', '\x80', '\xff'}) {
      std::string changed = bytes;
      changed[at] = value;
      write_bytes(folder / "b", changed);
      load_error(folder / "b");
    }
  }
}

TEST_CASE("what can't be saved is refused and leaves the old file and nothing else") {
  const TemporaryFolder folder;
  save_safetensors(folder / "a", {{"x", Array::ones({2})}});
  const std::string before = read_bytes(folder / "a");
  CHECK_THROWS_WITH(save_safetensors(folder / "a", {{"x", Array::ones({2})}, {"x", Array::ones({2})}}),
                    "save_safetensors: duplicate name 'x'");
  CHECK_THROWS_WITH(save_safetensors(folder / "a", {{"x", Array()}}), "save_safetensors: tensor 'x' is undefined");
  CHECK_THROWS_WITH(save_safetensors(folder / "a", {{"__metadata__", Array::ones({2})}}),
                    "save_safetensors: a tensor can't have the name '__metadata__'");
  CHECK_THROWS_WITH(save_safetensors(folder / "a", {{"\xff", Array::ones({2})}}),
                    "save_safetensors: a name or metadata text is not valid UTF-8");
  CHECK(read_bytes(folder / "a") == before);
  CHECK(folder.files() == 1);
}

TEST_CASE("a file that can't be opened says so") {
  const TemporaryFolder folder;
  CHECK_THROWS_WITH_AS(load_safetensors(folder / "none"), doctest::Contains("load_safetensors: cannot open '"),
                       IoError);
  CHECK_THROWS_WITH_AS(load_safetensors(folder.path()), doctest::Contains("is not a regular file"), IoError);
  CHECK_THROWS_WITH_AS(save_safetensors(folder / "none/a", {}), doctest::Contains("No such file or directory"),
                       IoError);
  CHECK_THROWS_WITH_AS(save_safetensors(folder.path(), {}), doctest::Contains("is not a regular file"), IoError);
}

TEST_CASE("an abandoned atomic write leaves the old file and no temporary one") {
  const TemporaryFolder folder;
  write_bytes(folder / "a", "old");
  {
    AtomicFile file(folder / "a", "test");
    file.write("new");
    CHECK(folder.files() == 2);
    CHECK(read_bytes(folder / "a") == "old");
  }
  CHECK(folder.files() == 1);
  CHECK(read_bytes(folder / "a") == "old");
}

TEST_CASE("an atomic write keeps the permissions and a symbolic link") {
  const TemporaryFolder folder;
  write_bytes(folder / "a", "old");
  ::chmod((folder / "a").c_str(), 0640);
  fs::create_symlink("a", folder / "link");
  AtomicFile file(folder / "link", "test");
  file.write("new");
  file.commit();
  CHECK_THROWS_WITH(file.commit(), doctest::Contains("test: second commit()"));
  CHECK(fs::is_symlink(folder / "link"));
  CHECK(read_bytes(folder / "a") == "new");
  struct stat info {};
  ::stat((folder / "a").c_str(), &info);
  CHECK((info.st_mode & 07777) == 0640);
  CHECK(folder.files() == 2);
}

TEST_CASE("a write that the system cuts short is an error, and the old file stays") {
  const TemporaryFolder folder;
  write_bytes(folder / "a", "old");
  rlimit before{};
  ::getrlimit(RLIMIT_FSIZE, &before);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{1000, before.rlim_max};
  ::setrlimit(RLIMIT_FSIZE, &small);
  CHECK_THROWS_WITH_AS(save_safetensors(folder / "a", {{"x", Array::ones({1000})}}),
                       doctest::Contains("File too large"), IoError);
  ::setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
  CHECK(read_bytes(folder / "a") == "old");
  CHECK(folder.files() == 1);
}
