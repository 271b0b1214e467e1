#include "evenkeel/nn/activation.hpp"
#include "evenkeel/nn/container.hpp"
#include "evenkeel/nn/conv.hpp"
#include "evenkeel/nn/linear.hpp"
#include "evenkeel/nn/loss.hpp"
#include "evenkeel/nn/norm/batch_norm.hpp"
#include "evenkeel/nn/repr.hpp"

#include <doctest/doctest.h>

#include <limits>

using namespace evenkeel;
using namespace evenkeel::nn;

// The expected texts are what PyTorch 1.13 prints for the same modules.

TEST_CASE("numbers print as Python's repr") {
  CHECK(repr(1e-5) == "1e-05");
  CHECK(repr(0.1) == "0.1");
  CHECK(repr(1.0) == "1.0");
  CHECK(repr(-2.5e-7) == "-2.5e-07");
  CHECK(repr(0.0001) == "0.0001");
  CHECK(repr(0.001) == "0.001");
  CHECK(repr(123456.0) == "123456.0");
  CHECK(repr(1e16) == "1e+16");
  CHECK(repr(1e15) == "1000000000000000.0");
  CHECK(repr(0.0) == "0.0");
  CHECK(repr(1.0 / 3) == "0.3333333333333333");
  CHECK(repr(std::numeric_limits<double>::infinity()) == "inf");
  CHECK(repr(-std::numeric_limits<double>::infinity()) == "-inf");
  CHECK(repr(std::numeric_limits<double>::quiet_NaN()) == "nan");
  CHECK(repr(true) == "True");
  CHECK(repr(Size2(3, 5)) == "(3, 5)");
  CHECK(repr_number(20) == "20");
  CHECK(repr_number(2.5) == "2.5");
  CHECK(repr_short(Size2(2)) == "2");
  CHECK(repr_short(Size2(2, 1)) == "(2, 1)");
}

TEST_CASE("nested modules print as PyTorch prints them") {
  Generator g(1);
  Sequential net;
  const Child<Sequential> inner = net.add<Sequential>("inner");
  inner->append<Conv2d>(3, 8, g, Conv2dOptions{.kernel_size = 3, .padding = 1, .bias = false})
      .append<ReLU>(ActivationOptions{.inplace = true});
  net.add<ModuleList>("empty");
  net.add<ModuleList>("list")->append<Linear>(8, 2, g);
  net.add<Softplus>("out");
  CHECK(concat(net) == R"(Sequential(
  (inner): Sequential(
    (0): Conv2d(3, 8, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1), bias=False)
    (1): ReLU(inplace=True)
  )
  (empty): ModuleList()
  (list): ModuleList(
    (0): Linear(in_features=8, out_features=2, bias=True)
  )
  (out): Softplus(beta=1, threshold=20)
))");
}

namespace {

class SmallBNNet : public Layer {
 public:
  explicit SmallBNNet(Generator& g) : net(add<Sequential>("net")) {
    const Conv2dOptions conv{.kernel_size = 3, .padding = 1, .bias = false};
    net->append<Conv2d>(3, 16, g, conv)
        .append<BatchNorm2d>(16)
        .append<ReLU>()
        .append<Conv2d>(16, 32, g, conv)
        .append<BatchNorm2d>(32)
        .append<ReLU>();
  }
  Tensor forward(const Tensor& x) override { return net(x); }

  Child<Sequential> net;
};

}  // namespace

TEST_CASE("a network with BatchNorm prints as PyTorch prints it") {
  Generator g(1);
  CHECK(concat(SmallBNNet(g)) == R"(SmallBNNet(
  (net): Sequential(
    (0): Conv2d(3, 16, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1), bias=False)
    (1): BatchNorm2d(16, eps=1e-05, momentum=0.1, affine=True, track_running_stats=True)
    (2): ReLU()
    (3): Conv2d(16, 32, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1), bias=False)
    (4): BatchNorm2d(32, eps=1e-05, momentum=0.1, affine=True, track_running_stats=True)
    (5): ReLU()
  )
))");
}

TEST_CASE("losses print as PyTorch prints them") {
  CHECK(concat(CrossEntropyLoss()) == "CrossEntropyLoss()");
  CHECK(concat(NLLLoss()) == "NLLLoss()");
  CHECK(concat(MSELoss()) == "MSELoss()");
  CHECK(concat(L1Loss()) == "L1Loss()");
  CHECK(concat(SmoothL1Loss()) == "SmoothL1Loss()");
  CHECK(concat(BCEWithLogitsLoss()) == "BCEWithLogitsLoss()");
}

namespace {

/// Two lines of extra_repr and a child.
class Wordy : public Layer {
 public:
  Wordy() { add<Tanh>("act"); }
  std::string extra_repr() const override { return "a=1\nb=2"; }
  Tensor forward(const Tensor& x) override { return x; }
};

}  // namespace

TEST_CASE("extra_repr stands before the children, one line each") {
  CHECK(concat(Wordy()) == "Wordy(\n  a=1\n  b=2\n  (act): Tanh()\n)");
}
