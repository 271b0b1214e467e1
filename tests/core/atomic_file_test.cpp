// Saving where the system fails: every call of a save fails once, and a process is killed at moments of one. The file
// is the old one or the new one then, whole, and nothing else is left, or is removed by the next save.

#include "evenkeel/core/io/file.hpp"
#include "evenkeel/core/io/safetensors.hpp"
#include "tests/core/failing_calls.hpp"
#include "tests/support/child.hpp"
#include "tests/support/temporary_folder.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>

using namespace evenkeel;
using evenkeel::test::read_bytes;
using evenkeel::test::Strike;
using evenkeel::test::TemporaryFolder;
using evenkeel::test::WatchCalls;
using evenkeel::test::write_bytes;
namespace fs = std::filesystem;

namespace {

/// Several tensors of all sizes, one of them strided.
NamedArrays tensors(double value) {
  return {{"conv.weight", Array::full({64, 32, 3, 3}, value)},
          {"conv.bias", Array::full({64}, value)},
          {"strided", Array::full({5, 7}, value).transpose(0, 1)},
          {"steps", Array::full({}, value, DType::int64)},
          {"mean", Array::full({64}, value, DType::float64)}};
}

/// The bytes that a save of tensors(value) gives.
std::string saved_bytes(double value) {
  const TemporaryFolder folder;
  save_safetensors(folder / "a", tensors(value), {{"epoch", "3"}});
  return read_bytes(folder / "a");
}

/// The calls of a save over an old file.
std::vector<std::string> calls_of_a_save() {
  const TemporaryFolder folder;
  save_safetensors(folder / "a", tensors(1));
  const NamedArrays values = tensors(2);
  const WatchCalls watch;
  save_safetensors(folder / "a", values);
  return watch.calls();
}

/// Where a process can end: before and after each call, and where a write has written parts of its bytes.
std::vector<Strike> moments_of_a_save() {
  std::vector<Strike> moments;
  const std::vector<std::string> calls = calls_of_a_save();
  for (int call = 0; call < static_cast<int>(calls.size()); ++call) {
    const bool in_parts = calls[static_cast<std::size_t>(call)] == "write";
    for (const double part : {0.0, 0.25, 0.5, 0.75, 1.0}) {
      if (in_parts || part == 0 || part == 1) {
        moments.push_back({.call = call, .kill = true, .part = part});
      }
    }
  }
  return moments;
}

/// Whether body() in a forked child ended by SIGKILL.
template <class Body>
bool killed(const Body& body) {
  const pid_t child = fork();
  if (child == 0) {
    body();
    _exit(0);
  }
  int status = 0;
  return child > 0 && waitpid(child, &status, 0) == child && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

/// Kills a save at `count` moments that are spread over it.
void check_killed_saves(std::size_t count) {
  const std::vector<Strike> moments = moments_of_a_save();
  REQUIRE(moments.size() >= count);
  const std::string before = saved_bytes(1), after = saved_bytes(2);
  const NamedArrays values = tensors(2);
  int old_files = 0, new_files = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const Strike& strike = moments[i * (moments.size() - 1) / (count - 1)];
    CAPTURE(strike.call);
    CAPTURE(strike.part);
    const TemporaryFolder folder;
    write_bytes(folder / "a", before);
    REQUIRE(killed([&] {
      const WatchCalls watch(strike);
      save_safetensors(folder / "a", values, {{"epoch", "3"}});
    }));
    const std::string left = read_bytes(folder / "a");
    const bool is_old = left == before;
    CHECK((is_old || left == after));
    (is_old ? old_files : new_files) += 1;
    CHECK(load_safetensors(folder / "a").checked);
    save_safetensors(folder / "a", values, {{"epoch", "3"}});
    CHECK(read_bytes(folder / "a") == after);
    CHECK(folder.files() == 1);
  }
  CHECK(old_files > 0);
  CHECK(new_files > 0);
}

}  // namespace

TEST_CASE("a save whose process is killed leaves the old file or the new one, and the next save tidies up") {
  check_killed_saves(10);
}

// For .ci/full.
TEST_CASE("a save is killed at 50 moments" * doctest::skip(true)) { check_killed_saves(50); }

TEST_CASE("whatever call of a save fails, the file is whole and no temporary one is left") {
  const std::string before = saved_bytes(1), after = saved_bytes(2);
  const NamedArrays values = tensors(2);
  const std::vector<std::string> calls = calls_of_a_save();
  REQUIRE(std::ranges::count(calls, "write") == 7);  // length, header and five tensors
  REQUIRE(std::ranges::count(calls, "fsync") == 2);  // the file and its folder
  const auto last_sync = calls.rend() - std::ranges::find(calls.rbegin(), calls.rend(), "fsync") - 1;
  for (const int error : {ENOSPC, EIO, EROFS, EACCES, EDQUOT, EMFILE}) {
    for (int call = 0; call < static_cast<int>(calls.size()); ++call) {
      for (const double part : {0.0, 0.5}) {  // half written, then the disk is full
        const std::string& name = calls[static_cast<std::size_t>(call)];
        CAPTURE(std::strerror(error));
        CAPTURE(call);
        CAPTURE(name);
        if (part > 0 && name != "write") {
          continue;
        }
        const TemporaryFolder folder;
        write_bytes(folder / "a", before);
        std::string message;
        {
          const WatchCalls watch({.call = call, .error = error, .part = part});
          try {
            save_safetensors(folder / "a", values, {{"epoch", "3"}});
          } catch (const IoError& e) {
            message = e.what();
          }
        }
        const bool in_place = call >= last_sync;
        const bool harmless = name == "close" || name == "flock" || (name == "open" && call > 0 && error == EACCES);
        CHECK(message.empty() == harmless);
        if (!harmless) {
          CHECK_MESSAGE(message.ends_with(std::strerror(error)), message);
          CHECK_MESSAGE(message.starts_with("save_safetensors: "), message);
        }
        CHECK(read_bytes(folder / "a") == (harmless || in_place ? after : before));
        CHECK(folder.files() == 1);
      }
    }
  }
}

TEST_CASE("an interrupted or short write goes on") {
  const std::string after = saved_bytes(2);
  const NamedArrays values = tensors(2);
  const std::vector<std::string> calls = calls_of_a_save();
  for (int call = 0; call < static_cast<int>(calls.size()); ++call) {
    if (calls[static_cast<std::size_t>(call)] != "write") {
      continue;
    }
    for (const Strike& strike : {Strike{.call = call, .error = EINTR}, Strike{.call = call, .part = 0.5}}) {
      CAPTURE(call);
      CAPTURE(strike.part);
      const TemporaryFolder folder;
      write_bytes(folder / "a", "old");
      {
        const WatchCalls watch(strike);
        save_safetensors(folder / "a", values, {{"epoch", "3"}});
        CHECK(watch.calls().size() == calls.size() + 1);
      }
      CHECK(read_bytes(folder / "a") == after);
    }
  }
}

TEST_CASE("stale temporary files go, those of living writers and other files stay") {
  const TemporaryFolder folder;
  const std::vector<std::string> stale = {".a.1-0.tmp", ".a.99999999-17.tmp"};
  const std::vector<std::string> others = {".a.tmp",       ".a.1-.tmp", ".a.-1.tmp",   ".a.1-0.tmp.b", ".b.1-0.tmp",
                                           ".a.x.1-0.tmp", "a.1-0.tmp", "..a.1-0.tmp", ".a.1x-0.tmp"};
  for (const std::string& name : stale) {
    write_bytes(folder / name, "half");
  }
  for (const std::string& name : others) {
    write_bytes(folder / name, "mine");
  }
  fs::create_symlink("..a.1-0.tmp", folder / ".a.5-5.tmp");
  fs::create_directory(folder / ".a.6-6.tmp");
  REQUIRE(mkfifo((folder / ".a.7-7.tmp").c_str(), 0600) == 0);
  AtomicFile living(folder / "a", "test");
  living.write("first");
  const std::size_t with_one_writer = others.size() + 4;
  CHECK(folder.files() == with_one_writer);
  AtomicFile second(folder / "a", "test");
  CHECK(folder.files() == with_one_writer + 1);
  second.write("second");
  second.commit();
  CHECK(read_bytes(folder / "a") == "second");
  living.commit();
  CHECK(read_bytes(folder / "a") == "first");
  for (const std::string& name : others) {
    CHECK(read_bytes(folder / name) == "mine");
  }
}

TEST_CASE("another save at any moment of a save takes nothing from it") {
  const std::string after = saved_bytes(2);
  const NamedArrays values = tensors(2), others = tensors(3);
  const std::vector<std::string> calls = calls_of_a_save();
  for (int call = 0; call < static_cast<int>(calls.size()); ++call) {
    const std::string& name = calls[static_cast<std::size_t>(call)];
    CAPTURE(call);
    CAPTURE(name);
    const TemporaryFolder folder;
    write_bytes(folder / "a", "old");
    int other_saves = 0;
    {
      const WatchCalls watch({.call = call, .meanwhile = [&] {
                                save_safetensors(folder / "a", others);
                                ++other_saves;
                              }});
      save_safetensors(folder / "a", values, {{"epoch", "3"}});
      // Before it is locked, a temporary file counts as stale: its writer takes another one.
      CHECK((watch.calls().size() > calls.size()) == (name == "flock"));
    }
    CHECK(other_saves == 1);
    const bool replaced_before = call > std::ranges::find(calls, "rename") - calls.begin();
    CHECK((read_bytes(folder / "a") == after) == !replaced_before);
    CHECK(load_safetensors(folder / "a").checked);
    CHECK(folder.files() == 1);
  }
}

TEST_CASE("a writer's file in the moment of its commit is never removed") {
  // Savers of one path, each removing what it takes for stale, none of which is: all succeed.
  const TemporaryFolder folder;
  constexpr int kSavers = 4, kSaves = 20;
  const auto save_often = [&](int saver) {
    for (int i = 0; i < kSaves; ++i) {
      AtomicFile file(folder / "a", "test");
      file.write(std::string(1000, static_cast<char>('a' + saver)));
      file.commit();
    }
    return true;
  };
  std::vector<pid_t> children;
  for (int saver = 0; saver < kSavers; ++saver) {
    const pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      bool good = false;
      try {
        good = save_often(saver);
      } catch (...) {
      }
      _exit(good ? 0 : 1);
    }
    children.push_back(child);
  }
  for (const pid_t child : children) {
    int status = 0;
    CHECK(waitpid(child, &status, 0) == child);
    CHECK((WIFEXITED(status) && WEXITSTATUS(status) == 0));
  }
  const std::string left = read_bytes(folder / "a");
  CHECK(left == std::string(1000, left.empty() ? '-' : left.front()));
  CHECK(folder.files() == 1);
}

TEST_CASE("a named pipe is refused at once, for reading and for writing") {
  const TemporaryFolder folder;
  REQUIRE(mkfifo((folder / "pipe").c_str(), 0600) == 0);
  alarm(60);  // ends the program where it would wait for ever
  CHECK_THROWS_WITH_AS(load_safetensors(folder / "pipe"), doctest::Contains("is not a regular file, but a named pipe"),
                       IoError);
  CHECK_THROWS_WITH_AS(save_safetensors(folder / "pipe", {}), doctest::Contains("is not a regular file"), IoError);
  alarm(0);
  CHECK_THROWS_WITH_AS(InputFile("/dev/null", "test"), doctest::Contains("is not a regular file, but a device"),
                       IoError);
  CHECK_THROWS_WITH_AS(InputFile(folder / ".", "test"), doctest::Contains("is not a regular file, but a folder"),
                       IoError);
}

TEST_CASE("links that lead in a circle, and paths through files, are errors") {
  const TemporaryFolder folder;
  fs::create_symlink("b", folder / "a");
  fs::create_symlink("a", folder / "b");
  CHECK_THROWS_WITH_AS(AtomicFile(folder / "a", "test"), doctest::Contains("Too many levels of symbolic links"),
                       IoError);
  CHECK(fs::is_symlink(folder / "a"));
  write_bytes(folder / "file", "");
  CHECK_THROWS_WITH_AS(AtomicFile(folder / "file/x", "test"), doctest::Contains("Not a directory"), IoError);
}
