// Every check over every row of the table of ops (tests/support/cases.hpp).

#include "evenkeel/autograd/engine.hpp"
#include "evenkeel/autograd/grad_mode.hpp"
#include "evenkeel/autograd/gradcheck.hpp"
#include "evenkeel/autograd/graph.hpp"
#include "tests/support/cases.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <regex>
#include <set>

namespace evenkeel::test {
namespace {

using Values = std::vector<double>;

std::vector<OpCase> all_cases() {
  std::vector<OpCase> cases;
  for (OpCases (*rows)() : CaseFile::all()) {
    const OpCases file = rows();
    cases.insert(cases.end(), file.begin(), file.end());
  }
  return cases;
}

std::string label(const OpCase& row) { return row.variant.empty() ? row.name : row.name + " (" + row.variant + ")"; }

/// FNV-1a: the same on every platform, unlike std::hash.
std::uint64_t hash(std::string_view text) {
  std::uint64_t value = 14695981039346656037u;
  for (const char c : text) {
    value = (value ^ static_cast<unsigned char>(c)) * 1099511628211u;
  }
  return value;
}

// ---- inputs

double round_to_float(double value) { return static_cast<double>(static_cast<float>(value)); }

Values draw(const Sample& sample, std::int64_t count, std::mt19937_64& engine) {
  Values values(static_cast<std::size_t>(count));
  if (sample.kind == Sample::Kind::distinct) {
    for (std::size_t i = 0; i < values.size(); ++i) {
      values[i] = round_to_float((static_cast<double>(i) + 1) * 0.03125 * (i % 2 == 0 ? 1 : -1));
    }
    std::shuffle(values.begin(), values.end(), engine);
    return values;
  }
  const auto unit = [&] { return static_cast<double>(engine() >> 11) * 0x1p-53; };
  for (double& value : values) {
    const auto near_kink = [&] {
      return std::any_of(sample.kinks.begin(), sample.kinks.end(),
                         [&](double kink) { return std::abs(value - kink) < 0.05; });
    };
    do {
      value = round_to_float(sample.low + (sample.high - sample.low) * unit());
    } while (sample.kind == Sample::Kind::uniform && near_kink());
    if (sample.kind == Sample::Kind::index) {
      value = std::floor(value);
    } else if (sample.kind == Sample::Kind::mask) {
      value = unit() < 0.5 ? 1 : 0;
    }
  }
  return values;
}

const Sample& sample_of(const OpCase& row, std::size_t i) {
  static const Sample standard;
  return row.samples.empty() ? standard : row.samples[std::min(i, row.samples.size() - 1)];
}

bool is_float(const OpCase& row, std::size_t i) {
  const Sample::Kind kind = sample_of(row, i).kind;
  return kind == Sample::Kind::uniform || kind == Sample::Kind::distinct;
}

/// Whether input i gets a gradient.
bool wants_gradient(const OpCase& row, std::size_t i) {
  return row.differentiable && is_float(row, i) &&
         std::find(row.no_gradient.begin(), row.no_gradient.end(), i) == row.no_gradient.end();
}

DType dtype_of_input(const OpCase& row, std::size_t i, DType dtype) {
  const Sample::Kind kind = sample_of(row, i).kind;
  return kind == Sample::Kind::index ? DType::int64 : kind == Sample::Kind::mask ? DType::boolean : dtype;
}

std::vector<Array> make_inputs(const OpCase& row, const std::vector<Shape>& shapes, DType dtype) {
  std::mt19937_64 engine(hash(row.name));
  std::vector<Array> inputs;
  for (std::size_t i = 0; i < shapes.size(); ++i) {
    const Values values = draw(sample_of(row, i), numel(shapes[i]), engine);
    inputs.push_back(Array::from(values, shapes[i]).to(dtype_of_input(row, i, dtype)));
  }
  return inputs;
}

/// Fresh leaves around the arrays, of which those in `mask` (all, if absent) require gradients.
std::vector<Tensor> leaves(const OpCase& row, const std::vector<Array>& arrays, std::uint64_t mask = ~0ull) {
  std::vector<Tensor> inputs;
  for (std::size_t i = 0; i < arrays.size(); ++i) {
    inputs.emplace_back(arrays[i], wants_gradient(row, i) && (mask >> i & 1) != 0);
  }
  return inputs;
}

Tensor call(const OpCase& row, const std::vector<Tensor>& inputs) {
  row.reset();
  return row.fn(inputs);
}

// ---- comparison

DoubleArray to_double(const Array& x) {
  DoubleArray y(x.shape());
  y.values = x.to(DType::float64).to_vector<double>();
  return y;
}

/// The largest |a - e| / (1 + |e|); infinite where shapes or the NaNs differ.
double worst_error(const DoubleArray& actual, const DoubleArray& expected) {
  if (actual.shape != expected.shape || actual.values.size() != expected.values.size()) {
    return std::numeric_limits<double>::infinity();
  }
  double worst = 0;
  for (std::size_t i = 0; i < expected.values.size(); ++i) {
    const double a = actual.values[i], e = expected.values[i];
    if (a == e || (std::isnan(a) && std::isnan(e))) {
      continue;
    }
    const double error = std::abs(a - e) / (1 + std::abs(e));
    worst = std::isnan(error) ? std::numeric_limits<double>::infinity() : std::max(worst, error);
  }
  return worst;
}

DoubleArray expected_output(const OpCase& row, const std::vector<Array>& inputs) {
  std::vector<DoubleArray> values;
  for (const Array& input : inputs) {
    values.push_back(to_double(input));
  }
  if (!row.scalar_reference) {
    return row.reference(values);
  }
  DoubleArray y = values[0];
  std::transform(y.values.begin(), y.values.end(), y.values.begin(), row.scalar_reference);
  return y;
}

Tensor random_like(const Tensor& y, std::uint64_t seed) {
  std::mt19937_64 engine(seed);
  return Tensor(Array::from(draw(Sample::uniform(-1, 1), y.numel(), engine), y.shape()).to(y.dtype()));
}

/// The gradients of the inputs that require one, for a fixed random upstream gradient.
std::vector<DoubleArray> gradients(const OpCase& row, const std::vector<Tensor>& inputs, bool create_graph = false) {
  std::vector<Tensor> wanted;
  for (const Tensor& input : inputs) {
    if (input.requires_grad()) {
      wanted.push_back(input);
    }
  }
  const Tensor y = call(row, inputs);
  const std::vector<Tensor> found =
      grad({y}, wanted, {random_like(y, hash(row.name) + 1)}, {.create_graph = create_graph});
  std::vector<DoubleArray> values;
  for (std::size_t i = 0; i < found.size(); ++i) {
    CHECK(found[i].shape() == wanted[i].shape());
    CHECK(found[i].dtype() == wanted[i].dtype());
    values.push_back(to_double(found[i].array()));
  }
  return values;
}

void check_equal(const std::vector<DoubleArray>& actual, const std::vector<DoubleArray>& expected, double tolerance) {
  REQUIRE(actual.size() == expected.size());
  for (std::size_t i = 0; i < actual.size(); ++i) {
    CAPTURE(i);
    CHECK(worst_error(actual[i], expected[i]) <= tolerance);
  }
}

/// The row's shapes, then those with zero-size axes and size 1.
std::vector<std::vector<Shape>> all_shapes(const OpCase& row) {
  std::vector<std::vector<Shape>> shapes{row.shapes};
  if (row.scalar_reference) {
    for (const Shape& more : {Shape{0, 3}, Shape{1}, Shape{}, Shape{3, 1, 11}}) {
      shapes.push_back({more});
    }
  }
  shapes.insert(shapes.end(), row.more_shapes.begin(), row.more_shapes.end());
  return shapes;
}

template <class Check>
void for_each_case(const Check& check) {
  for (const OpCase& row : all_cases()) {
    const std::string op = label(row);
    CAPTURE(op);
    try {
      check(row);
    } catch (const std::exception& error) {
      FAIL_CHECK(op << ": " << error.what());
    }
  }
}

template <class Check>
void for_each_differentiable_case(const Check& check) {
  for_each_case([&](const OpCase& row) {
    if (row.differentiable) {
      check(row);
    }
  });
}

// ---- the checks

TEST_CASE("rows are complete and different from each other") {
  std::set<std::string> labels;
  std::map<std::pair<std::string, Values>, std::string> outputs;  // by name and shape, and values
  for_each_case([&](const OpCase& row) {
    CHECK_MESSAGE(labels.insert(label(row)).second, "two rows of this name and variant");
    CHECK_MESSAGE((row.scalar_reference || row.reference), "no reference");
    // A row that ignores its own parameters computes what another row of the op computes: inputs depend on name only.
    const Tensor y = call(row, leaves(row, make_inputs(row, row.shapes, DType::float64), 0));
    const auto seen = outputs.emplace(std::pair(concat(row.name, y.shape()), to_double(y.array()).values), label(row));
    CHECK_MESSAGE(seen.second, "computes the same as " << seen.first->second);
  });
}

TEST_CASE("every op declared in autograd/ops has a row") {
  std::set<std::string> names;
  for (const OpCase& row : all_cases()) {
    names.insert(row.name);
  }
  // A function that returns a Tensor, or a struct of them, declared at the start of a line.
  const std::regex declaration(R"(^[A-Z]\w*&? (\w+|operator[-+*/])\()");
  int found = 0;
  for (const auto& entry : std::filesystem::directory_iterator(EVENKEEL_FIXTURES "/../../autograd/ops")) {
    if (entry.path().extension() != ".hpp") {
      continue;
    }
    const std::string header = entry.path().filename().string();
    std::ifstream file(entry.path());
    for (std::string line; std::getline(file, line);) {
      std::smatch match;
      if (std::regex_search(line, match, declaration)) {
        ++found;
        CHECK_MESSAGE(names.count(match[1]) == 1, header << ": no row for " << match[1].str());
      }
    }
  }
  CHECK(found > 90);
}

TEST_CASE("forward equals the reference, in float64 and float32, also for empty and one-element inputs") {
  for_each_case([](const OpCase& row) {
    for (const std::vector<Shape>& shapes : all_shapes(row)) {
      CAPTURE(shapes[0]);
      for (const DType dtype : {DType::float64, DType::float32}) {
        CAPTURE(dtype);
        const std::vector<Array> inputs = make_inputs(row, shapes, dtype);
        const DoubleArray expected = expected_output(row, inputs);
        const Tensor y = call(row, leaves(row, inputs, 0));
        CHECK(y.shape() == expected.shape);
        CHECK(worst_error(to_double(y.array()), expected) <=
              (dtype == DType::float64 ? row.tolerance64 : row.tolerance32));
      }
    }
  });
}

TEST_CASE("gradcheck") {
  for_each_differentiable_case([](const OpCase& row) {
    const GradcheckReport report =
        gradcheck([&](const std::vector<Tensor>& x) { return row.fn(x); },
                  leaves(row, make_inputs(row, row.shapes, DType::float64)), {.raise = false, .reset = row.reset});
    CHECK_MESSAGE(report.ok, report.text);
  });
}

TEST_CASE("gradgradcheck") {
  for_each_differentiable_case([](const OpCase& row) {
    if (!row.twice_differentiable) {
      CHECK_THROWS(gradients(row, leaves(row, make_inputs(row, row.shapes, DType::float64)), true));
      return;
    }
    const GradcheckReport report =
        gradgradcheck([&](const std::vector<Tensor>& x) { return row.fn(x); },
                      leaves(row, make_inputs(row, row.shapes, DType::float64)), {.raise = false, .reset = row.reset});
    CHECK_MESSAGE(report.ok, report.text);
  });
}

TEST_CASE("the fused backward equals its twin in differentiable ops") {
  for_each_differentiable_case([](const OpCase& row) {
    if (!row.twice_differentiable) {
      return;
    }
    for (const std::vector<Shape>& shapes : all_shapes(row)) {
      CAPTURE(shapes[0]);
      const std::vector<Array> inputs = make_inputs(row, shapes, DType::float64);
      check_equal(gradients(row, leaves(row, inputs)), gradients(row, leaves(row, inputs), true), 1e-12);
    }
  });
}

TEST_CASE("float32 gradients equal those in float64") {
  for_each_differentiable_case([](const OpCase& row) {
    check_equal(gradients(row, leaves(row, make_inputs(row, row.shapes, DType::float32))),
                gradients(row, leaves(row, make_inputs(row, row.shapes, DType::float64))), 10 * row.tolerance32);
  });
}

TEST_CASE("every subset of the inputs may require gradients") {
  for_each_differentiable_case([](const OpCase& row) {
    const std::vector<Array> inputs = make_inputs(row, row.shapes, DType::float64);
    const std::vector<DoubleArray> all = gradients(row, leaves(row, inputs));
    for (std::uint64_t mask = 1; mask < 1ull << inputs.size(); ++mask) {
      CAPTURE(mask);
      std::vector<DoubleArray> expected;
      bool valid = true;
      for (std::size_t i = 0, wanted = 0; i < inputs.size(); ++i) {
        valid = valid && ((mask >> i & 1) == 0 || wants_gradient(row, i));
        if (wants_gradient(row, i)) {
          if ((mask >> i & 1) != 0) {
            expected.push_back(all[wanted]);
          }
          ++wanted;
        }
      }
      if (valid) {
        check_equal(gradients(row, leaves(row, inputs, mask)), expected, 1e-13);
      }
    }
    CHECK_FALSE(call(row, leaves(row, inputs, 0)).requires_grad());
  });
}

/// Output and gradients for `strided` equal those for a contiguous copy.
void check_layout(const OpCase& row, const std::vector<Array>& strided) {
  std::vector<Array> copies;
  for (const Array& x : strided) {
    copies.push_back(x.clone());
  }
  CHECK(worst_error(to_double(call(row, leaves(row, strided, 0)).array()),
                    to_double(call(row, leaves(row, copies, 0)).array())) <= 1e-13);
  if (row.differentiable) {
    check_equal(gradients(row, leaves(row, strided)), gradients(row, leaves(row, copies)), 1e-13);
  }
}

TEST_CASE("transposed, stepped and expanded inputs equal their contiguous copies") {
  for_each_case([](const OpCase& row) {
    const std::vector<Array> plain = make_inputs(row, row.shapes, DType::float64);
    std::vector<Array> transposed, stepped, expanded;
    for (const Array& x : plain) {
      const int last = x.rank() - 1;
      transposed.push_back(x.rank() < 2 ? x : x.transpose(0, last).clone().transpose(0, last));
      Shape wide = x.shape();
      if (x.rank() > 0) {
        wide[last] *= 2;
      }
      Array spread = Array::zeros(wide, x.dtype());
      stepped.push_back(x.rank() == 0 ? x : spread.slice(last, 1, wide[last], 2));
      stepped.back().copy_(x);
      expanded.push_back(x.rank() == 0 || x.size(0) == 0 ? x : x.slice(0, 0, 1).expand(x.shape()));
    }
    check_layout(row, transposed);
    check_layout(row, stepped);
    if (std::none_of(row.samples.begin(), row.samples.end(),
                     [](const Sample& s) { return s.kind == Sample::Kind::distinct; })) {
      check_layout(row, expanded);
    }
  });
}

TEST_CASE("backward keeps exactly what the row declares") {
  for_each_differentiable_case([](const OpCase& row) {
    if (!row.keeps) {
      return;
    }
    for (std::size_t i = 0; i <= row.shapes.size(); ++i) {
      const bool is_output = i == row.shapes.size();
      const char letter = is_output ? 'y' : static_cast<char>('0' + i);
      CAPTURE(letter);
      std::vector<Array> arrays = make_inputs(row, row.shapes, DType::float64);
      std::vector<Tensor> inputs = leaves(row, arrays);
      Tensor y = call(row, inputs);
      if (is_output && y.array().has_overlap()) {
        continue;  // can't be changed in place
      }
      static_cast<void>(is_output ? y.mutable_array().mutable_raw() : arrays[i].mutable_raw());
      if (row.keeps->find(letter) == std::string::npos) {
        CHECK_NOTHROW(y.backward(random_like(y, 1)));
      } else {
        CHECK_THROWS(y.backward(random_like(y, 1)));
      }
    }
  });
}

/// Drops the values kept by all nodes above the leaves.
void drop_kept_values(Node* node) {
  std::vector<Node*> open{node};
  while (!open.empty()) {
    Node* next = open.back();
    open.pop_back();
    next->saved = {};
    for (std::size_t i = 0; i < next->edges.size(); ++i) {
      if (next->edges[i] && next->edges[i]->node) {
        open.push_back(next->edges[i]->node.get());
      }
    }
  }
}

TEST_CASE("a formula holds no array but what its op declares") {
  for_each_differentiable_case([](const OpCase& row) {
    const std::vector<Tensor> inputs = leaves(row, make_inputs(row, row.shapes, DType::float64));
    static_cast<void>(call(row, inputs));
    const std::size_t bytes = memory_stats().in_use;
    const std::shared_ptr<AutogradMeta> of_y = call(row, inputs).meta();
    REQUIRE(of_y->node);
    drop_kept_values(of_y->node.get());
    CHECK(memory_stats().in_use == bytes);
  });
}

TEST_CASE("a zero upstream gradient gives zero gradients") {
  for_each_differentiable_case([](const OpCase& row) {
    for (const std::vector<Shape>& shapes : all_shapes(row)) {
      const std::vector<Tensor> inputs = leaves(row, make_inputs(row, shapes, DType::float64));
      const Tensor y = call(row, inputs);
      y.backward(Tensor(Array::zeros(y.shape(), y.dtype())));
      for (std::size_t i = 0; i < inputs.size(); ++i) {
        if (wants_gradient(row, i)) {
          CAPTURE(i);
          REQUIRE(inputs[i].grad().defined());
          CHECK(worst_error(to_double(inputs[i].grad().array()), DoubleArray(inputs[i].shape())) == 0);
        }
      }
    }
  });
}

}  // namespace
}  // namespace evenkeel::test
