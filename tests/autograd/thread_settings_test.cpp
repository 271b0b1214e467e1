// What threads take over from the one that they compute for.

#include "evenkeel/autograd/anomaly.hpp"
#include "evenkeel/autograd/grad_mode.hpp"
#include "evenkeel/autograd/ops.hpp"
#include "evenkeel/core/communicator.hpp"
#include "evenkeel/core/deferred.hpp"
#include "evenkeel/core/kernels/conv/algorithms.hpp"

#include <doctest/doctest.h>

#include <array>
#include <limits>
#include <string>

namespace evenkeel {

TEST_CASE("ranks of ThreadGroup::run record where their caller does") {
  const Tensor w = ones({2}, {.requires_grad = true});
  ThreadGroup group(3);
  for (const bool mode : {false, true, false}) {
    const GradModeGuard guard(mode);
    std::array<int, 3> recorded{};
    group.run([&](const std::shared_ptr<Communicator>& self) {
      recorded[static_cast<std::size_t>(self->rank())] = (w * 2.0).requires_grad() ? 1 : 0;
      set_grad_enabled(true);  // the thread's own affair
    });
    CHECK(recorded == std::array<int, 3>{mode, mode, mode});
    CHECK(grad_enabled() == mode);
  }
}

TEST_CASE("ranks look for NaN under their caller's AnomalyGuard, and know the module") {
  const Tensor x = full({1}, std::numeric_limits<double>::infinity());
  ThreadGroup group(2);
  const auto run = [&] { group.run([&](const std::shared_ptr<Communicator>&) { static_cast<void>(x * 1.0); }); };
  CHECK_NOTHROW(run());
  const AnomalyGuard guard;
  const NameScope scope("features.0");
  CHECK_THROWS_WITH(run(), doctest::Contains("called in module 'features.0'"));
}

TEST_CASE("ranks convolve by their caller's algorithms") {
  const ConvGeometry g{
      .batch = 2, .channels = 4, .height = 9, .width = 9, .out_channels = 4, .out_height = 9, .out_width = 9};
  ThreadGroup group(2);
  for (const ConvAlgorithm wanted : {ConvAlgorithm::im2col, ConvAlgorithm::panels}) {
    const ConvAlgorithmGuard guard(wanted);
    std::array<ConvAlgorithm, 2> chosen{};
    group.run([&](const std::shared_ptr<Communicator>& self) {
      chosen[static_cast<std::size_t>(self->rank())] =
          kernels::choose_algorithm<float>(g, kernels::ConvPass::weight_gradient);
    });
    CHECK(chosen == std::array<ConvAlgorithm, 2>{wanted, wanted});
  }
}

TEST_CASE("ranks defer as their caller does") {
  ThreadGroup group(2);
  for (const bool fused : {false, true}) {
    const FusionGuard guard(fused);
    std::array<bool, 2> found{!fused, !fused};
    group.run([&](const std::shared_ptr<Communicator>& self) {
      found[static_cast<std::size_t>(self->rank())] = fusion_enabled();
    });
    CHECK(found == std::array<bool, 2>{fused, fused});
  }
}

}  // namespace evenkeel
