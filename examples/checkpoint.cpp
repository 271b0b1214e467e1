// What is in a file of weights or a training checkpoint, and the same in another format.
//
//   checkpoint info runs/gn/checkpoint.safetensors
//   checkpoint convert runs/gn/checkpoint.safetensors weights.safetensors --weights
//   checkpoint convert weights.safetensors weights          a folder with one .npy per tensor
//
// `info` lists the tensors, the metadata, and whether the file has a checksum: one that does not hold is an error, a
// file without one (any other program's) is unchecked, so damaged values in it would go unnoticed. `convert` reads a
// .safetensors file, a .npy file or a folder of .npy files; OUT is a .safetensors file if it ends so, else a folder. A
// tensor's file there is named after it, with / as %2F, and so % and control characters.

#include "evenkeel/core/io/npy.hpp"
#include "evenkeel/core/io/safetensors.hpp"
#include "examples/support/command_line.hpp"
#include "examples/support/text.hpp"

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

using namespace evenkeel;
using namespace evenkeel::examples;
namespace fs = std::filesystem;

namespace {

constexpr std::string_view kModel = "model.";

// ---- Files

bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

/// A tensor's name as that of a file, and back.
std::string file_name(const std::string& name) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  require(!name.empty(), "convert", "a tensor without a name can't be a file of its own");
  std::string text;
  for (const char c : name) {
    const auto byte = static_cast<unsigned char>(c);
    text +=
        c == '/' || c == '%' || is_control(c) ? concat("%", kDigits[byte / 16], kDigits[byte % 16]) : std::string(1, c);
  }
  return text + ".npy";
}

std::string tensor_name(std::string text) {
  text.resize(text.size() - std::string_view(".npy").size());
  for (std::size_t at = 0; (at = text.find('%', at)) != std::string::npos; ++at) {
    const std::string_view code = std::string_view(text).substr(at + 1, 2);
    unsigned byte = 0;
    const auto [end, error] = std::from_chars(code.data(), code.data() + code.size(), byte, 16);
    if (error == std::errc() && code.size() == 2 && end == code.data() + 2) {
      text.replace(at, 3, 1, static_cast<char>(byte));
    }
  }
  return text;
}

struct Content {
  const char* kind;
  Safetensors file;
};

Content read(const fs::path& path) {
  std::error_code ignored;
  if (!fs::is_directory(path, ignored)) {
    if (path.extension() == ".npy") {
      return {".npy file", {{{tensor_name(path.filename()), load_npy(path)}}, {}}};
    }
    return {"safetensors file", load_safetensors(path)};
  }
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(path)) {
    if (entry.path().extension() == ".npy") {
      files.push_back(entry.path());
    }
  }
  require<FileError>(!files.empty(), "read", "there is no .npy file in the folder '", path.string(), "'");
  std::ranges::sort(files);
  Content content{"folder of .npy files", {}};
  for (const fs::path& file : files) {
    content.file.tensors.emplace_back(tensor_name(file.filename()), load_npy(file));
  }
  return content;
}

/// A new folder, complete or not there.
void write_folder(const fs::path& path, const NamedArrays& tensors) {
  const fs::path partial = concat(path.string(), ".", ::getpid(), ".partial");
  try {
    std::error_code error;
    fs::create_directory(partial, error);
    if (error) {
      fail<IoError>("convert", "cannot make the folder '", path.string(), "': ", error.message());
    }
    for (const auto& [name, array] : tensors) {
      save_npy(partial / file_name(name), array);
    }
    fs::rename(partial, path);
  } catch (...) {
    std::error_code ignored;
    fs::remove_all(partial, ignored);
    throw;
  }
}

// ---- Text

bool starts_character(char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }  // of UTF-8

std::size_t width(const std::string& text) {
  return static_cast<std::size_t>(std::ranges::count_if(text, starts_character));
}

/// Cut to `columns`, with dots in the place of what is missing.
std::string cut(const std::string& text, std::size_t columns) {
  if (width(text) <= columns) {
    return text;
  }
  std::string result;
  std::size_t characters = 0;
  for (const char c : text) {
    characters += starts_character(c) ? 1 : 0;
    if (characters + 3 > columns) {
      break;
    }
    result += c;
  }
  return result + "...";
}

std::string padded(const std::string& text, std::size_t columns) {
  return text + std::string(columns - std::min(columns, width(text)), ' ');
}

void print(const std::string& line) { std::puts(line.c_str()); }

// ---- Commands

std::size_t bytes_of(const Array& array) { return static_cast<std::size_t>(array.numel()) * item_size(array.dtype()); }

void print_totals(const std::string& what, const Safetensors& file, std::string_view prefix) {
  std::int64_t elements = 0;
  std::size_t count = 0, bytes = 0;
  for (const auto& [name, array] : file.tensors) {
    if (name.starts_with(prefix) && !file.tied.contains(name)) {
      ++count;
      elements += array.numel();
      bytes += bytes_of(array);
    }
  }
  print(concat(padded(what, 10), count, count == 1 ? " tensor, " : " tensors, ", elements, " elements, ", bytes,
               " bytes"));
}

void print_tensors(const Safetensors& file) {
  struct Row {
    std::string name, dtype, shape;
  };
  std::vector<Row> rows;
  std::size_t longest_name = 0, longest_rest = 0;
  for (const auto& [name, array] : file.tensors) {
    const auto tied = file.tied.find(name);
    rows.push_back({printable(name), tied == file.tied.end() ? to_string(array.dtype()) : "=",
                    tied == file.tied.end() ? to_string(array.shape()) : printable(tied->second)});
    longest_name = std::max(longest_name, width(rows.back().name));
    longest_rest = std::max(longest_rest, 9 + width(rows.back().shape));
  }
  const std::size_t names = std::min(longest_name, kColumns - 4 - std::min(kColumns / 2, longest_rest));
  for (const Row& row : rows) {
    const bool fits = width(row.name) <= names;
    if (!fits) {
      print("  " + row.name);  // whole, on a line of its own
    }
    print(concat("  ", padded(fits ? row.name : "", names), "  ", padded(row.dtype, 9), row.shape));
  }
}

void info(const fs::path& path) {
  const auto [kind, file] = read(path);
  print(concat(cut(printable(path.string()), kColumns - 2 - std::string_view(kind).size()), ": ", kind));
  print(concat("checksum  ", file.checked ? "verified" : "none: unchecked, damaged values would go unnoticed"));
  const auto said = [&file = file](const char* key) {
    const auto found = file.metadata.find(key);
    return found == file.metadata.end() ? "" : printable(found->second);
  };
  const std::string format = said("format"), version = said("version");
  print(cut(concat("format    ", format.empty() ? "not named" : format, version.empty() ? "" : ", version ", version),
            kColumns));
  print_totals("total", file, "");
  if (std::ranges::any_of(file.tensors, [](const auto& tensor) { return tensor.first.starts_with(kModel); })) {
    print_totals("model", file, kModel);
  }
  if (!file.metadata.empty()) {
    print("metadata");
  }
  for (const auto& [key, value] : file.metadata) {
    print(cut(concat("  ", printable(key), " = ", printable(value)), kColumns));
  }
  print("tensors");
  print_tensors(file);
}

/// A training checkpoint's model under its own names.
Safetensors weights_of(const Safetensors& file, const fs::path& path) {
  Safetensors weights;
  for (const auto& [name, array] : file.tensors) {
    if (name.starts_with(kModel)) {
      weights.tensors.emplace_back(name.substr(kModel.size()), array);
    }
  }
  require<FileError>(!weights.tensors.empty(), "convert", "--weights: '", path.string(),
                     "' is no training checkpoint, it has no tensor \"model....\"");
  return weights;
}

void convert(const fs::path& from, const fs::path& out, bool weights, bool plain) {
  const fs::path to = out.has_filename() ? out : out.parent_path();  // "out/" is "out"
  std::error_code ignored;
  require<FileError>(!fs::exists(fs::symlink_status(to, ignored)), "convert", "'", to.string(), "' exists already");
  const bool to_file = to.extension() == ".safetensors";
  require(to_file || !plain, "convert", "--plain is for a .safetensors file, '", to.string(), "' is a folder");
  Safetensors file = read(from).file;
  if (weights) {
    file = weights_of(file, from);
  }
  if (to_file) {
    save_safetensors(to, file.tensors, file.metadata, {.checksum = !plain});
  } else {
    write_folder(to, file.tensors);
  }
  const bool lost = !to_file && !file.metadata.empty();
  print(concat(file.tensors.size(), file.tensors.size() == 1 ? " tensor" : " tensors",
               lost ? concat("; not kept: ", file.metadata.size(), " metadata") : ""));
}

int run(int argc, char** argv) {
  CommandLine line(
      "Shows what is in a file of weights or a checkpoint (info), or writes it in another format (convert).");
  std::string command;
  fs::path file, out;
  bool weights = false, plain = false;
  const auto commanded = line.add("command", command, "info or convert").one_of({"info", "convert"});
  const auto named = line.add("file", file, "a .safetensors file, a .npy file, or a folder of .npy files");
  const auto target = line.add("out", out, "of convert: a new .safetensors file, or a new folder for .npy files");
  line.add_flag("--weights", weights, "of a training checkpoint, only the model, under its own names");
  line.add_flag("--plain", plain, "without a checksum, as the format's other programs write it");
  line.example("checkpoint convert runs/gn/checkpoint.safetensors weights.safetensors --weights");
  if (!line.parse(argc, argv)) {
    return 0;
  }
  if (!commanded.given() || !named.given() || target.given() != (command == "convert")) {
    throw std::invalid_argument("expected `info FILE` or `convert FILE OUT` (--help lists the options)");
  }
  if (command == "info") {
    require(!weights && !plain, "info", "--weights and --plain are options of convert");
    info(file);
  } else {
    convert(file, out, weights, plain);
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) { return run_program("checkpoint", run, argc, argv); }
