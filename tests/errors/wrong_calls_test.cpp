// Every wrong call throws the exception of its kind, whose text says what was wrong, and changes nothing.

#include "tests/errors/wrong_calls.hpp"

#include <doctest/doctest.h>

#include <optional>
#include <utility>

namespace evenkeel::test {
namespace {

/// What a call threw: its class, its text, and the Error that it is.
struct Thrown {
  const std::type_info* type = nullptr;
  std::string text, op, message;
};

Thrown thrown_by(World& world, const WrongCall& wrong) {
  try {
    wrong.call(world);
  } catch (const std::exception& e) {
    Thrown thrown{&typeid(e), e.what(), "", ""};
    if (const auto* error = dynamic_cast<const Error*>(&e)) {
      CHECK(error->text() == thrown.text);
      thrown.op = error->op();
      thrown.message = error->argument() + error->expected() + error->actual();
    }
    return thrown;
  }
  return {};
}

bool fits(std::string text, const std::string& folder, const std::string& pattern) {
  for (std::size_t at = text.find(folder); at != std::string::npos; at = text.find(folder)) {
    text.replace(at, folder.size(), "DIR");
  }
  return pattern.ends_with("...") ? text.starts_with(pattern.substr(0, pattern.size() - 3)) : text == pattern;
}

/// Of the rows that throw; each on the same world, which none of them may change.
std::size_t check(const WrongCalls& calls) {
  World world;
  auto before = world.state();
  for (const WrongCall& wrong : calls) {
    CAPTURE(wrong.text);
    const Thrown thrown = thrown_by(world, wrong);
    CHECK_MESSAGE(thrown.type != nullptr, "nothing was thrown");
    if (thrown.type == nullptr) {
      continue;
    }
    CHECK_MESSAGE(*thrown.type == *wrong.error, "another class: ", thrown.type->name());
    CHECK_MESSAGE(fits(thrown.text, world.folder.path().string(), wrong.text), thrown.text);
    CHECK_MESSAGE((thrown.op.empty() || thrown.text.find(thrown.op) != std::string::npos), thrown.op);
    CHECK(thrown.op.empty() == thrown.message.empty());
    const auto after = world.state();
    CHECK(after.size() == before.size());
    for (const auto& entry : after) {
      const auto was = before.find(entry.first);
      CHECK_MESSAGE((was != before.end() && was->second == entry.second), entry.first, " changed");
    }
    before = after;
  }
  return calls.size();
}

using Table = WrongCalls (*)();
constexpr std::pair<const char*, Table> kTables[] = {
    {"arrays", wrong_arrays},         {"ops", wrong_ops},
    {"pointwise", wrong_pointwise},   {"losses", wrong_losses},
    {"pools", wrong_pools},           {"layers", wrong_layers},
    {"norms", wrong_norms},           {"modules", wrong_modules},
    {"optimizers", wrong_optimizers}, {"files", wrong_files},
    {"windows", wrong_window_ops},    {"index ops", wrong_index_ops},
};

}  // namespace

TEST_CASE("wrong calls throw their kind of error and change nothing") {
  std::size_t count = 0;
  for (const auto& table : kTables) {
    CAPTURE(table.first);
    count += check(table.second());
  }
  CHECK(count >= 250);
}

TEST_CASE("the world that wrong calls are made on shows what changes it") {
  World world;
  const auto before = world.state();
  CHECK(world.state() == before);
  world.net(world.x);  // moves the statistics, BatchRenorm's counter and the dropout's generator
  const auto moved = world.state();
  CHECK(moved.at("net.norm.running_mean") != before.at("net.norm.running_mean"));
  CHECK(moved.at("net.renorm.num_batches_tracked") != before.at("net.renorm.num_batches_tracked"));
  CHECK(moved != before);
  world.sgd.step();
  const auto stepped = world.state();
  CHECK(stepped.at("parameter.conv.weight") != moved.at("parameter.conv.weight"));
  world.generator.next_uint32();
  CHECK(world.state().at("generator") != stepped.at("generator"));
}

}  // namespace evenkeel::test
