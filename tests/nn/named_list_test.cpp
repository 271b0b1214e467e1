#include "evenkeel/nn/named_list.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <thread>

using namespace evenkeel;
using evenkeel::nn::NamedList;

namespace {

struct Entry {
  std::string name;
  int (*make)();
};

int one() { return 1; }
int two() { return 2; }

}  // namespace

TEST_CASE("entries are found by name, in the order in which they came; what was read before stays") {
  NamedList<Entry> list({{"a", one}});
  const std::vector<Entry>& before = list.entries();
  const Entry* a = list.find("a");
  list.add("op", {"b-2_c.d", two});
  CHECK(before.size() == 1);
  CHECK(list.entries().size() == 2);
  CHECK(list.names() == "a, b-2_c.d");
  REQUIRE(list.find("b-2_c.d") != nullptr);
  CHECK(list.find("b-2_c.d")->make() == 2);
  CHECK(a->make() == 1);
  CHECK(list.find("c") == nullptr);
}

TEST_CASE("what can't be added adds nothing") {
  NamedList<Entry> list({{"a", one}});
  CHECK_THROWS_WITH(list.add("op", {"a", two}), "op: the name 'a' is taken");
  for (const char* name : {"", "a b", "a,b", "a/b", "\xc3\xa4"}) {
    CHECK_THROWS_WITH(
        list.add("op", {name, two}),
        concat("op: the name must be a word of letters, digits, '_', '-' and '.', got '", name, "'").c_str());
  }
  CHECK_THROWS_WITH(list.add("op", {"c", nullptr}), "op: 'c' has no function that makes it");
  CHECK(list.names() == "a");
  CHECK(list.find("a")->make() == 1);
}

TEST_CASE("threads add while others read: each name comes once") {
  NamedList<Entry> list({{"a", one}});
  std::atomic<int> taken = 0, misses = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 50; ++i) {
        try {
          list.add("op", {concat("n", i), two});
        } catch (const ValueError&) {
          ++taken;
        }
        misses += list.find(concat("n", i)) == nullptr || list.find("a")->make() != 1 ? 1 : 0;
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  CHECK(list.entries().size() == 51);
  CHECK(taken == 150);
  CHECK(misses == 0);
}
