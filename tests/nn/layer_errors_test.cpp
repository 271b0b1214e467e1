// Wrong input of every layer of the table, inside a model: each error begins with the layer and its place, whichever
// op found it, is of the right kind, and leaves the layer as it was.

#include "evenkeel/autograd/ops.hpp"
#include "evenkeel/nn/container.hpp"
#include "evenkeel/nn/conv.hpp"
#include "evenkeel/nn/identity.hpp"
#include "evenkeel/nn/linear.hpp"
#include "evenkeel/nn/norm/registry.hpp"
#include "evenkeel/nn/norm/spectral_norm.hpp"
#include "tests/support/layer_cases.hpp"

#include <doctest/doctest.h>

using namespace evenkeel;
using namespace evenkeel::nn;
using test::LayerCase;

namespace {

template <class Check>
void for_each_case(const Check& check) {
  for (const auto rows : test::LayerCaseFile::all()) {
    for (const LayerCase& row : rows()) {
      const std::string label = row.layer + " " + row.variant;
      CAPTURE(label);
      check(row);
    }
  }
}

/// The row's layer as "body.1" of a model.
struct Model {
  explicit Model(const LayerCase& row) {
    Generator generator(3);
    auto body = std::make_unique<Sequential>();
    body->append<Identity>().append(row.make(generator));
    net.add("body", std::move(body));
  }
  std::vector<std::vector<double>> state() const {
    std::vector<std::vector<double>> values;
    for (const auto& [name, value] : net.state_dict()) {
      values.push_back(value.to(DType::float64).to_vector<double>());
    }
    return values;
  }
  Sequential net;
};

enum class Outcome { taken, shape, dtype, other };

void check_place(const LayerCase& row, const Error& error) {
  CAPTURE(error.text());
  CHECK(error.text().starts_with(concat(error.layer(), " (body.1")));
  CHECK(error.path().starts_with("body.1"));
  CHECK((error.path() != "body.1" || error.layer() == row.layer));
}

/// Calls the model. An error must begin with the class and the path of the row's layer, or of one below it.
Outcome outcome(const LayerCase& row, const Tensor& x) {
  Model model(row);
  const auto before = model.state();
  Outcome result = Outcome::taken;
  try {
    model.net(x);
    return result;
  } catch (const ShapeError& error) {
    result = Outcome::shape;
    check_place(row, error);
  } catch (const DtypeError& error) {
    result = Outcome::dtype;
    check_place(row, error);
  } catch (const Error& error) {
    result = Outcome::other;
    check_place(row, error);
  }
  CHECK(model.state() == before);
  return result;
}

}  // namespace

TEST_CASE("another dtype") {
  for_each_case([](const LayerCase& row) {
    Generator generator(1);
    const Tensor x = randn(row.input, generator);
    for (const DType dtype : {DType::float64, DType::int64, DType::boolean, DType::uint8}) {
      if (dtype == row.dtype) {
        continue;
      }
      CAPTURE(name(dtype));
      const Outcome found = outcome(row, to(x, dtype));
      CHECK((found == Outcome::dtype || found == Outcome::taken));
      if (Model(row).net.num_parameters() > 0) {
        CHECK(found == Outcome::dtype);
      }
    }
  });
}

TEST_CASE("other ranks") {
  for_each_case([](const LayerCase& row) {
    for (int rank = 0; rank <= 7; ++rank) {
      CAPTURE(rank);
      Shape shape = Shape::filled(rank, 2);
      for (int d = 0; d < std::min(rank, row.input.rank()); ++d) {
        shape[d] = row.input[d];
      }
      const Outcome found = outcome(row, ones(shape, {.dtype = row.dtype}));
      CHECK((found == Outcome::shape || found == Outcome::taken || found == Outcome::other));
    }
  });
}

TEST_CASE("an undefined tensor") {
  for_each_case([](const LayerCase& row) {
    if (row.layer != "Identity" && row.layer != "Sequential") {
      CHECK(outcome(row, Tensor()) == Outcome::other);
    }
  });
}

TEST_CASE("one parameter of another dtype than the input is refused by every norm, before its statistics move") {
  for (const NormEntry& entry : norms()) {
    const std::string norm(entry.name);
    const auto count = make_norm(norm, 4)->named_parameters().size();
    for (std::size_t i = 0; i < count; ++i) {
      const auto layer = make_norm(norm, 4);
      const std::string parameter = layer->named_parameters()[i].first;
      CAPTURE(norm);
      CAPTURE(parameter);
      Tensor& value = layer->get_parameter(parameter);
      value = Tensor(value.array().to(DType::float64), true);
      Generator generator(1);
      const Tensor x = randn({3, 4, 5, 2}, generator);
      const auto buffers = [&] {
        std::vector<std::vector<double>> values;
        for (const auto& [name, buffer] : layer->named_buffers()) {
          values.push_back(to(buffer, DType::float64).to_vector<double>());
        }
        return values;
      };
      const auto before = buffers();
      CHECK_THROWS_AS((*layer)(x), DtypeError);
      CHECK(buffers() == before);
    }
  }
}

TEST_CASE("spectral_norm iterates when the layer has its result, not for an input that is refused") {
  Generator generator(1);
  std::vector<std::pair<std::unique_ptr<Layer>, Shape>> layers;
  layers.emplace_back(std::make_unique<Linear>(4, 3, generator), Shape{2, 4});
  layers.emplace_back(std::make_unique<Conv2d>(4, 3, generator, Conv2dOptions{.kernel_size = 2}), Shape{1, 4, 3, 3});
  layers.emplace_back(std::make_unique<ConvTranspose2d>(4, 3, generator, ConvTranspose2dOptions{.kernel_size = 2}),
                      Shape{1, 4, 3, 3});
  for (auto& [layer, shape] : layers) {
    spectral_norm(*layer, generator);
    const auto u = [&layer = layer] { return layer->get_buffer("parametrizations.weight.0._u").to_vector<float>(); };
    const auto before = u();
    Shape wrong = shape;
    wrong[1] = 5;
    CHECK_THROWS_AS((*layer)(ones(wrong)), ShapeError);
    CHECK_THROWS_AS((*layer)(ones(shape, {.dtype = DType::float64})), DtypeError);
    CHECK(u() == before);
    (*layer)(ones(shape));
    CHECK(u() != before);
  }
}
