// channels_per_group stands for num_groups in every norm of groups, and both at once for an error.

#include "evenkeel/nn/norm/batch_channel_norm.hpp"
#include "evenkeel/nn/norm/batch_group_norm.hpp"
#include "evenkeel/nn/norm/evo_norm.hpp"
#include "evenkeel/nn/norm/group_norm.hpp"
#include "evenkeel/nn/norm/iter_norm.hpp"
#include "tests/support/norm_traits.hpp"

using namespace evenkeel;
using namespace evenkeel::nn;
using doctest::Contains;

TEST_CASE("every norm of the registry that has groups: by channels per group as by their number") {
  int grouped = 0;
  test::for_each_norm([&](const std::string& name, const test::NormTraits& traits) {
    const auto printed = [&](const NormOptions& options) { return concat(*make_norm(name, 12, options)); };
    if (!traits.num_groups) {
      CHECK(printed({.channels_per_group = 3}) == printed({}));
      return;
    }
    ++grouped;
    CHECK(printed({.channels_per_group = 3}) == printed({.num_groups = 4}));
    CHECK(printed({.channels_per_group = 12}) == printed({.num_groups = 1}));
    CHECK(printed({.channels_per_group = 2}) != printed({.num_groups = 2}));
    const std::string type = make_norm(name, 12)->type_name();
    CHECK_THROWS_WITH(printed({.num_groups = 4, .channels_per_group = 3}),
                      concat(type, ": num_groups or channels_per_group must be given, not both, got 4 and 3").c_str());
    for (const std::int64_t channels : {5, 24, 0, -3}) {
      CHECK_THROWS_WITH(
          printed({.channels_per_group = channels}),
          concat(type, ": the number of channels must be divisible by channels_per_group, got 12 channels and ",
                 channels, " per group")
              .c_str());
    }
  });
  CHECK(grouped == 7);
}

TEST_CASE("the classes: in braces, where num_groups stands in front, and by default") {
  CHECK(GroupNorm(64, {.channels_per_group = 16}).num_groups == 4);
  CHECK(GroupNorm(64, GroupNormOptions{}).num_groups == 32);
  CHECK(GroupNorm(48, {.eps = 0.5}).num_groups == 16);
  CHECK(GroupNorm(48, {.eps = 0.5, .affine = false, .channels_per_group = 8}).options.eps == 0.5);
  CHECK_FALSE(GroupNorm(48, {.affine = false, .channels_per_group = 8}).weight.defined());
  CHECK(BatchChannelNorm(12, {.eps = 0.25, .momentum = 0.5, .channels_per_group = 4}).num_groups == 3);
  CHECK(BatchChannelNorm(12, {.estimate = false, .channels_per_group = 4}).bn->type_name() == "BatchNorm2d");
  CHECK(BatchGroupNorm(12, {.channels_per_group = 4}).num_groups == 3);
  CHECK(IterNorm(12, {.channels_per_group = 4}).num_groups == 3);
  CHECK(IterNorm(12).num_groups == 1);
  CHECK(EvoNormS0(12, {.channels_per_group = 4}).num_groups == 3);
  CHECK_THROWS_WITH(GroupNorm(4, 12, {.channels_per_group = 3}), Contains("must be given, not both, got 4 and 3"));
  CHECK_THROWS_WITH(GroupNorm(0, GroupNormOptions{}), Contains("must be positive, got 0"));
}

TEST_CASE("of (N, C) the default leaves each group two channels, what is given stays") {
  CHECK(concat(*make_norm("gn", 8, {.spatial_dims = 0})) == "GroupNorm(4, 8, eps=1e-05, affine=True)");
  CHECK(concat(*make_norm("gn", 8, {.channels_per_group = 1, .spatial_dims = 0})).starts_with("GroupNorm(8, 8,"));
}
