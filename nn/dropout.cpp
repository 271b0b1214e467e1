#include "evenkeel/nn/dropout.hpp"

#include "evenkeel/autograd/ops/activation.hpp"
#include "evenkeel/nn/repr.hpp"

namespace evenkeel::nn {

namespace {

double checked(const char* layer, double p) {
  require(p >= 0 && p <= 1, layer, "p must lie in [0, 1], got ", p);
  return p;
}

std::string describe(double p) { return concat("p=", repr(p), ", inplace=False"); }

}  // namespace

Dropout::Dropout(double p, Generator& generator)
    : p(checked("Dropout", p)), generator(Module::generator("generator", generator)) {}

std::string Dropout::extra_repr() const { return describe(p); }

Tensor Dropout::forward(const Tensor& x) { return dropout(x, p, training(), generator); }

Dropout2d::Dropout2d(double p, Generator& generator)
    : p(checked("Dropout2d", p)), generator(Module::generator("generator", generator)) {}

std::string Dropout2d::extra_repr() const { return describe(p); }

Tensor Dropout2d::forward(const Tensor& x) { return dropout2d(x, p, training(), generator); }

}  // namespace evenkeel::nn
