#include "evenkeel/nn/dropout.hpp"
#include "tests/support/layer_cases.hpp"

namespace evenkeel::test {
namespace {

using namespace evenkeel::nn;

template <class T>
LayerCase dropout_row(double p, Shape input, std::string printed) {
  return {.layer = printed.substr(0, printed.find('(')),
          .variant = concat(input),
          .make = [p](Generator& g) { return std::make_unique<T>(p, g); },
          .input = input,
          .printed = printed};
}

const LayerCaseFile dropouts{[]() -> LayerCases {
  return {dropout_row<Dropout1d>(0.5, {2, 5, 3}, "Dropout1d(p=0.5, inplace=False)"),
          dropout_row<Dropout1d>(0.25, {7, 3}, "Dropout1d(p=0.25, inplace=False)"),
          dropout_row<Dropout3d>(0.5, {2, 5, 1, 3, 2}, "Dropout3d(p=0.5, inplace=False)"),
          dropout_row<AlphaDropout>(0.5, {2, 3, 4}, "AlphaDropout(p=0.5, inplace=False)"),
          dropout_row<FeatureAlphaDropout>(0.25, {2, 5, 3, 1}, "FeatureAlphaDropout(p=0.25, inplace=False)")};
}};

}  // namespace
}  // namespace evenkeel::test
