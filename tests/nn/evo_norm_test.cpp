#include "evenkeel/nn/norm/evo_norm.hpp"

#include "evenkeel/autograd/ops.hpp"
#include "tests/support/layer_replay.hpp"
#include "tests/support/values.hpp"

namespace evenkeel::test {
namespace {

using namespace evenkeel::nn;

TEST_CASE("EvoNorms B1, B2, S1, S2 equal a second derivation") {
  const EvoNormBOptions bare{.eps = 0.1, .momentum = std::nullopt, .affine = false};
  const EvoNormSOptions one{.eps = 0.01, .affine = false};
  replay_layers("norms_evo.safetensors",
                {{"evo_norm_b1", layer<EvoNormB1>(5)},
                 {"evo_norm_b1_cumulative", layer<EvoNormB1>(3, bare)},
                 {"evo_norm_b2", layer<EvoNormB2>(5)},
                 {"evo_norm_b2_cumulative", layer<EvoNormB2>(3, bare)},
                 {"evo_norm_s1", layer<EvoNormS1>(6, EvoNormSOptions{.num_groups = 2})},
                 {"evo_norm_s1_batch1", layer<EvoNormS1>(7, one)},
                 {"evo_norm_s2", layer<EvoNormS2>(6, EvoNormSOptions{.channels_per_group = 3})},
                 {"evo_norm_s2_batch1", layer<EvoNormS2>(7, one)}},
                {.tolerances = {.float64 = 1e-12, .float32 = 2e-5}, .prefix = "evo_"});
}

TEST_CASE("EvoNormS1 is EvoNormS0 with v = 1") {
  const Tensor x = random({2, 6, 3, 5}, 2);
  EvoNormS0 s0(6, {.num_groups = 3});
  EvoNormS1 s1(6, {.channels_per_group = 2});
  s0.to(DType::float64);
  s1.to(DType::float64);
  CHECK(doubles(s1(x)) == doubles(s0(x)));
}

TEST_CASE("EvoNormS0 chooses its groups as choose_gn_groups does") {
  CHECK(EvoNormS0(64).num_groups == 32);
  CHECK(EvoNormS0(48).num_groups == 16);
  CHECK(EvoNormS0(7).num_groups == 1);
}

TEST_CASE("EvoNormS0 gives a sample the same result in any batch, in train and eval") {
  EvoNormS0 norm(6);
  norm.to(DType::float64);
  const Tensor x = random({4, 6, 3, 2}, 3);
  const Tensor all = norm(x);
  norm.eval();
  for (std::int64_t n = 0; n < 4; ++n) {
    const Tensor one = norm(slice(x, 0, n, n + 1));
    CHECK(one.to_vector<double>() == slice(all, 0, n, n + 1).to_vector<double>());
  }
}

}  // namespace
}  // namespace evenkeel::test
