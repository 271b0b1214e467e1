#include "evenkeel/nn/dropout.hpp"

#include "evenkeel/nn/repr.hpp"

namespace evenkeel::nn {

namespace {

double checked(const char* layer, double p) {
  require(p >= 0 && p <= 1, layer, "p must lie in [0, 1], got ", p);
  return p;
}

}  // namespace

DropoutBase::DropoutBase(const char* layer, Op op, double p, Generator& generator)
    : p(checked(layer, p)), generator(Module::generator("generator", generator)), op_(op) {}

std::string DropoutBase::extra_repr() const { return concat("p=", repr(p), ", inplace=False"); }

}  // namespace evenkeel::nn
