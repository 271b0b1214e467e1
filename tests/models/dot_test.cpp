#include "evenkeel/nn/dot.hpp"

#include "evenkeel/autograd/ops.hpp"
#include "evenkeel/models/cifar_resnet.hpp"
#include "evenkeel/models/registry.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace evenkeel;

namespace {

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("a network with branches is drawn with its joining ops") {
  Generator generator(1);
  const auto model = models::resnet20(generator);
  const std::string text = nn::to_dot(*model, {1, 3, 32, 32});
  CHECK(has(text, "Conv2d(3, 16, kernel_size=(3, 3)"));
  CHECK(has(text, "\"add"));
  CHECK(has(text, "[1, 64, 8, 8]"));
  const std::string by_call = nn::to_dot(static_cast<nn::Module&>(*model), [&] {
    return (*model)(zeros({1, 3, 32, 32}, {.requires_grad = true}));
  });
  CHECK(by_call.size() + 1 == text.size());  // "leaf" for "input"
}

TEST_CASE("every network can be drawn") {
  for (const models::ModelEntry& entry : models::models()) {
    CAPTURE(entry.name);
    Generator generator(1);
    const auto model = models::make_model(entry.name, generator);
    const std::string text = nn::to_dot(*model, {2, 3, 32, 32});
    for (const auto& [name, module] : model->named_modules()) {
      if (module->type_name() == "Conv2d" || module->type_name() == "Linear") {
        CHECK(has(text, name + "\\n" + module->type_name()));
      }
    }
  }
}
