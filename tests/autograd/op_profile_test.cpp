#include "evenkeel/autograd/op_profile.hpp"

#include "evenkeel/autograd/engine.hpp"
#include "evenkeel/autograd/node.hpp"
#include "evenkeel/autograd/ops.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <stdexcept>

namespace evenkeel {

namespace {

/// The row of that op and shape; its calls are 0 if there is none.
OpProfile::Row find(const OpProfile& profile, const std::string& op, const std::string& shape) {
  for (const OpProfile::Row& row : profile.rows()) {
    if (row.op == op && row.shape == shape) {
      return row;
    }
  }
  return {};
}

void step(const Tensor& x) { sum(silu(x * x) + silu(x)).backward(); }

}  // namespace

TEST_CASE("a profile counts ops by name, direction and shape of the result") {
  const Tensor x = ones({3, 5}, {.requires_grad = true});
  step(x);  // before the profile: not counted
  OpProfile profile;
  step(x);
  step(x);
  CHECK(find(profile, "mul", "[3, 5]").calls == 2);
  CHECK(find(profile, "silu", "[3, 5]").calls == 4);
  CHECK(find(profile, "sum", "[]").calls == 2);
  CHECK(find(profile, "silu backward", "[3, 5]").calls == 4);
  CHECK(find(profile, "sum backward", "[]").calls == 2);
  CHECK(find(profile, "mul backward", "[3, 5]").calls == 2);
  CHECK(find(profile, "sum of gradients", "").calls == 4);  // x of each step has three
  CHECK(find(profile, "sigmoid", "[3, 5]").calls == 0);     // what formulas do belongs to them
  CHECK(find(profile, "silu", "[3, 5]").ms > 0);
}

TEST_CASE("a row tells the sizes of its op, and what its backward keeps and wants") {
  OpProfile profile;
  const Tensor x = ones({2, 3, 8, 8}), weight = ones({5, 3, 3, 3}, {.requires_grad = true});
  const Tensor narrow = ones({5, 3, 1, 1}, {.requires_grad = true});
  sum(conv2d(x, weight, {}, {.padding = 1}) + conv2d(x, narrow)).backward();
  std::vector<OpProfile::Row> rows;
  for (const OpProfile::Row& row : profile.rows()) {
    if (row.op.starts_with("conv2d")) {
      rows.push_back(row);
    }
  }
  REQUIRE(rows.size() == 4);  // both have a result of the same shape
  for (const OpProfile::Row& row : rows) {
    CHECK(row.calls == 1);
    CHECK(row.shapes.result == Shape{2, 5, 8, 8});
    REQUIRE(row.shapes.inputs.size() == 2);
    CHECK(row.shapes.inputs[0] == x.shape());
    CHECK((row.shapes.inputs[1] == weight.shape() || row.shapes.inputs[1] == narrow.shape()));
    const bool backward = row.op == "conv2d backward";
    CHECK(row.shapes.wanted == (backward ? 0b10 : 0));
    CHECK(row.shapes.kept_inputs == (backward ? 4 * (x.numel() + numel(*row.shapes.inputs[1])) : 0));
  }
}

TEST_CASE("a profile's listener hears of each call and its time") {
  std::map<std::string, double> heard;
  OpProfile profile([&](const OpProfile::Row& row, double ms) { heard[row.op] += ms; });
  step(ones({3, 5}, {.requires_grad = true}));
  for (const OpProfile::Row& row : profile.rows()) {
    CHECK(heard.at(row.op) >= 0.999 * row.ms);
  }
}

TEST_CASE("rows are sorted by time; mark and reset") {
  OpProfile profile;
  const Tensor x = ones({2}, {.requires_grad = true});
  step(x);
  profile.mark("optimizer step");
  const std::vector<OpProfile::Row> rows = profile.rows();
  CHECK(std::is_sorted(rows.begin(), rows.end(), [](const auto& a, const auto& b) { return a.ms > b.ms; }));
  CHECK(find(profile, "optimizer step", "").calls == 1);
  profile.reset();
  CHECK(profile.rows().empty());
}

TEST_CASE("the time of an op is within what passed") {
  const Tensor x = ones({64, 64});
  OpProfile profile;
  for (int i = 0; i < 10; ++i) {
    CHECK(matmul(x, x).defined());
  }
  profile.mark("the rest");
  const OpProfile::Row row = find(profile, "matmul", "[64, 64]");
  CHECK(row.calls == 10);
  CHECK(row.ms > find(profile, "the rest", "").ms);
}

TEST_CASE("one profile at a time; a formula that throws leaves it in order") {
  OpProfile profile;
  CHECK_THROWS_WITH(OpProfile(), "OpProfile: another one lives in this thread");
  const Tensor x = ones({2}, {.requires_grad = true});
  const auto throwing = [](const Saved&, const Tensor&) -> Grads { throw std::runtime_error("no"); };
  const Tensor y = record({.name = "throwing", .inputs = {x}}, x.array(), throwing);
  CHECK_THROWS_WITH(sum(y).backward(), "no");
  CHECK(find(profile, "throwing backward", "[2]").calls == 1);
  CHECK(sum(x).item() == 2);
  CHECK(find(profile, "sum", "[]").calls == 2);
}

}  // namespace evenkeel
