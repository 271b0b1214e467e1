#include "evenkeel/nn/embedding.hpp"
#include "evenkeel/nn/flatten.hpp"
#include "evenkeel/nn/pixel_shuffle.hpp"
#include "tests/support/layer_cases.hpp"

namespace evenkeel::test {
namespace {

using namespace evenkeel::nn;

const LayerCaseFile rows{[]() -> LayerCases {
  return {
      {.layer = "Embedding",
       .make = [](Generator& g) { return std::make_unique<Embedding>(5, 3, g); },
       .input = {2, 4},
       .output = {2, 4, 3},
       .printed = "Embedding(5, 3)",
       .state = {"weight"},
       .range = 5,
       .dtype = DType::int64},
      {.layer = "Embedding",
       .variant = "padding, which does not occur",  // its gradient is not that of the values
       .make = [](Generator& g) { return std::make_unique<Embedding>(7, 2, g, EmbeddingOptions{.padding_idx = -2}); },
       .input = {3},
       .output = {3, 2},
       .printed = "Embedding(7, 2, padding_idx=5)",
       .state = {"weight"},
       .range = 5,
       .dtype = DType::int64},
      {.layer = "Unflatten",
       .make = plain<Unflatten>(1, Shape{3, -1}),
       .input = {2, 6, 5},
       .output = {2, 3, 2, 5},
       .printed = "Unflatten(dim=1, unflattened_size=(3, -1))"},
      {.layer = "PixelShuffle",
       .make = plain<PixelShuffle>(2),
       .input = {2, 8, 1, 3},
       .output = {2, 2, 2, 6},
       .printed = "PixelShuffle(upscale_factor=2)"},
      {.layer = "PixelUnshuffle",
       .make = plain<PixelUnshuffle>(3),
       .input = {2, 1, 3, 6},
       .output = {2, 9, 1, 2},
       .printed = "PixelUnshuffle(downscale_factor=3)"},
  };
}};

}  // namespace
}  // namespace evenkeel::test
