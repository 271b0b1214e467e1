#include "evenkeel/core/io/npz.hpp"

#include "evenkeel/core/error.hpp"
#include "evenkeel/core/io/file.hpp"
#include "evenkeel/core/io/npy_format.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>
#include <zip.h>

namespace evenkeel {
namespace {

constexpr std::string_view kLoadNpz = "load_npz";
constexpr std::string_view kSaveNpz = "save_npz";
constexpr std::string_view kEnding = ".npy";
constexpr std::size_t kLongestName = 0xffff - kEnding.size();  // the format has 16 bits for it

/// What libzip says, as the end of an error text.
std::string text_of(zip_error_t& error) {
  std::string text = ::zip_error_strerror(&error);
  ::zip_error_fini(&error);
  return text;
}

std::string text_of_code(int code) {
  zip_error_t error;
  ::zip_error_init_with_code(&error, code);
  return text_of(error);
}

/// Closes without writing, which cannot fail.
struct Discard {
  void operator()(zip_t* archive) const { ::zip_discard(archive); }
};
using Archive = std::unique_ptr<zip_t, Discard>;

struct CloseFile {
  void operator()(zip_file_t* file) const { ::zip_fclose(file); }
};

struct FreeSource {
  void operator()(zip_source_t* source) const { ::zip_source_free(source); }
};
using Source = std::unique_ptr<zip_source_t, FreeSource>;

// ---- Reading

/// What the archive says of an entry. No more is believed of its size than the compressed bytes can become, so that
/// memory is taken for no more than the file's own size allows.
zip_stat_t entry_at(zip_t* archive, std::uint64_t index, const std::string& where) {
  zip_stat_t entry;
  require<FileError>(::zip_stat_index(archive, index, 0, &entry) == 0, kLoadNpz, where, "entry ", index, ": ",
                     ::zip_strerror(archive));
  constexpr std::uint64_t kKnown = ZIP_STAT_NAME | ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE | ZIP_STAT_COMP_METHOD;
  require<FileError>((entry.valid & kKnown) == kKnown, kLoadNpz, where, "entry ", index, " has no name or size");
  const std::string_view name = entry.name;
  require<FileError>(name.ends_with(kEnding), kLoadNpz, where, "entry '", name, "' must be a .npy file, as in an .npz");
  require<FileError>(entry.encryption_method == ZIP_EM_NONE, kLoadNpz, where, "entry '", name, "' is encrypted");
  constexpr std::uint64_t kDeflateRatio = 1032;  // the most that deflate reaches
  const bool deflated = entry.comp_method == ZIP_CM_DEFLATE;
  require<FileError>(deflated || entry.comp_method == ZIP_CM_STORE, kLoadNpz, where, "entry '", name,
                     "' must be stored or deflated, got compression method ", entry.comp_method);
  const bool possible = deflated ? entry.size / kDeflateRatio <= entry.comp_size : entry.size == entry.comp_size;
  require<FileError>(possible, kLoadNpz, where, "entry '", name, "' cannot have ", entry.size, " bytes of ",
                     entry.comp_size, " compressed ones");
  return entry;
}

Array read_entry(zip_t* archive, std::uint64_t index, const zip_stat_t& entry, const std::string& where) {
  const std::unique_ptr<zip_file_t, CloseFile> file(::zip_fopen_index(archive, index, 0));
  require<FileError>(file != nullptr, kLoadNpz, where, ::zip_strerror(archive));
  const auto read = [&](void* destination, std::uint64_t bytes) {
    const zip_int64_t count = ::zip_fread(file.get(), destination, bytes);
    require<FileError>(count >= 0, kLoadNpz, where, ::zip_file_strerror(file.get()));
    require<FileError>(static_cast<std::uint64_t>(count) == bytes, kLoadNpz, where, "the entry ends too early");
  };
  Array array = detail::read_npy({.op = kLoadNpz, .where = where, .size = entry.size, .read = read});
  char more = 0;  // libzip compares the checksum when it finds the end
  const zip_int64_t end = ::zip_fread(file.get(), &more, 1);
  require<FileError>(end == 0, kLoadNpz, where, end < 0 ? ::zip_file_strerror(file.get()) : "the entry is too long");
  return array;
}

// ---- Writing

void check_names(const NamedArrays& arrays) {
  std::set<std::string_view> names;
  for (const auto& [name, array] : arrays) {
    require(array.defined(), kSaveNpz, "array '", name, "' is undefined");
    require(!name.empty(), kSaveNpz, "a name must not be empty");
    require(name.find('\0') == std::string::npos, kSaveNpz, "a name must have no null character, got '", name, "'");
    require(name.size() <= kLongestName, kSaveNpz, "a name must have at most ", kLongestName, " bytes, got ",
            name.size());
    require(names.insert(name).second, kSaveNpz, "duplicate name '", name, "'");
  }
}

/// One array in its file's form; libzip reads it when the archive is closed.
struct Content {
  std::string header;
  Array values;
};

void add_entry(zip_t* archive, const std::string& name, Content& content, bool compressed) {
  const std::uint64_t bytes = static_cast<std::uint64_t>(content.values.numel()) * item_size(content.values.dtype());
  std::array<zip_buffer_fragment_t, 2> parts{};
  parts[0] = {reinterpret_cast<zip_uint8_t*>(content.header.data()), content.header.size()};
  // libzip only reads, though its type does not say so.
  parts[1] = {reinterpret_cast<zip_uint8_t*>(const_cast<std::byte*>(content.values.raw())), bytes};
  Source source(::zip_source_buffer_fragment(archive, parts.data(), bytes > 0 ? 2 : 1, 0));
  require<IoError>(source != nullptr, kSaveNpz, ::zip_strerror(archive));
  const zip_int64_t index = ::zip_file_add(archive, concat(name, kEnding).c_str(), source.get(), ZIP_FL_ENC_UTF_8);
  require(index >= 0, kSaveNpz, "a name must be UTF-8, got '", name, "' (", ::zip_strerror(archive), ")");
  static_cast<void>(source.release());  // the archive's now
  const auto entry = static_cast<std::uint64_t>(index);
  constexpr std::uint16_t kDay = 1 << 5 | 1;  // 1980-01-01, the first that the format knows
  const bool set = ::zip_set_file_compression(archive, entry, compressed ? ZIP_CM_DEFLATE : ZIP_CM_STORE, 0) == 0 &&
                   ::zip_file_set_dostime(archive, entry, 0, kDay, 0) == 0;
  require<IoError>(set, kSaveNpz, "array '", name, "': ", ::zip_strerror(archive));
}

/// The whole archive, formed in memory.
Source form_archive(const NamedArrays& arrays, bool compressed) {
  zip_error_t error;
  ::zip_error_init(&error);
  Source source(::zip_source_buffer_create(nullptr, 0, 0, &error));
  require<IoError>(source != nullptr, kSaveNpz, text_of(error));
  Archive archive(::zip_open_from_source(source.get(), ZIP_TRUNCATE, &error));
  require<IoError>(archive != nullptr, kSaveNpz, text_of(error));
  ::zip_source_keep(source.get());
  std::vector<Content> contents;
  contents.reserve(arrays.size());
  for (const auto& [name, array] : arrays) {
    Content& content = contents.emplace_back();
    content.values = array.contiguous();
    content.header = detail::npy_header(content.values);
    add_entry(archive.get(), name, content, compressed);
  }
  require<IoError>(::zip_close(archive.get()) == 0, kSaveNpz, ::zip_strerror(archive.get()));
  static_cast<void>(archive.release());
  return source;
}

}  // namespace

NamedArrays load_npz(const std::string& path) {
  const InputFile readable(path, kLoadNpz);  // tells apart what can't be read from what is no archive
  int code = 0;
  const Archive archive(::zip_open(path.c_str(), ZIP_RDONLY | ZIP_CHECKCONS, &code));
  require<FileError>(archive != nullptr, kLoadNpz, path, ": not an .npz file: ", text_of_code(code));
  NamedArrays arrays;
  std::set<std::string> names;
  const auto count = static_cast<std::uint64_t>(::zip_get_num_entries(archive.get(), 0));
  for (std::uint64_t index = 0; index < count; ++index) {
    const zip_stat_t entry = entry_at(archive.get(), index, concat(path, ": "));
    const std::string name(entry.name, std::string_view(entry.name).size() - kEnding.size());
    require<FileError>(names.insert(name).second, kLoadNpz, path, ": two arrays have the name '", name, "'");
    arrays.emplace_back(name, read_entry(archive.get(), index, entry, concat(path, ": array '", name, "': ")));
  }
  return arrays;
}

void save_npz(const std::string& path, const NamedArrays& arrays, bool compressed) {
  check_names(arrays);
  AtomicFile file(path, kSaveNpz);
  if (arrays.empty()) {  // libzip would remove the file; this is the archive's end, which says that there are 0 entries
    file.write(std::string("PK\x05\x06") + std::string(18, '\0'));
    file.commit();
    return;
  }
  const Source source = form_archive(arrays, compressed);
  const auto refuse_unless = [&](bool ok) {
    require<IoError>(ok, kSaveNpz, ::zip_error_strerror(::zip_source_error(source.get())));
  };
  refuse_unless(::zip_source_open(source.get()) == 0);
  std::vector<char> part(1 << 16);
  for (zip_int64_t count = 0; (count = ::zip_source_read(source.get(), part.data(), part.size())) != 0;) {
    refuse_unless(count > 0);
    file.write(part.data(), static_cast<std::size_t>(count));
  }
  file.commit();
}

}  // namespace evenkeel
