// Statistics of a single value are refused, and what the error advises takes that very input.

#include "evenkeel/autograd/ops.hpp"
#include "evenkeel/nn/activation.hpp"
#include "evenkeel/nn/container.hpp"
#include "evenkeel/nn/linear.hpp"
#include "evenkeel/nn/norm/batch_channel_norm.hpp"
#include "evenkeel/nn/norm/batch_renorm.hpp"
#include "evenkeel/nn/norm/convert.hpp"
#include "evenkeel/nn/norm/ghost_batch_norm.hpp"
#include "evenkeel/nn/norm/group_norm.hpp"
#include "evenkeel/nn/norm/instance_norm.hpp"
#include "evenkeel/nn/norm/sync_batch_norm.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>

using namespace evenkeel;
using namespace evenkeel::nn;

namespace {

std::string error_of(Layer& layer, const Tensor& x) {
  try {
    layer(x);
  } catch (const ShapeError& error) {
    return error.what();
  }
  return "";
}

/// (batch, channels, 1, ..., 1)
Tensor single_values(int rank, std::int64_t batch, std::int64_t channels) {
  Shape shape = Shape::filled(rank, 1);
  shape[0] = batch;
  shape[1] = channels;
  return reshape(arange(0, static_cast<double>(batch * channels)), shape);
}

/// The numbers behind `name` and "(" in the text, as "GroupNorm(2, 4)"; none if it is not in there.
std::vector<std::int64_t> arguments(const std::string& text, const std::string& name) {
  const std::size_t at = text.find(" " + name + "(");
  std::vector<std::int64_t> numbers;
  if (at != std::string::npos) {
    const char* rest = text.c_str() + at + 2 + name.size();
    char* end = nullptr;
    numbers.push_back(std::strtoll(rest, &end, 10));
    numbers.push_back(std::strtoll(end + 2, &end, 10));
  }
  return numbers;
}

/// The norm refuses x, and the GroupNorm that it advises takes it; of one channel it advises none.
void check_advice(Layer& norm, const Tensor& x) {
  const std::string error = error_of(norm, x);
  CAPTURE(error);
  REQUIRE(!error.empty());
  CHECK(error.find("drop_last") == std::string::npos);
  const std::vector<std::int64_t> groups = arguments(error, "GroupNorm");
  CHECK(groups.empty() == (x.size(1) == 1));
  if (!groups.empty()) {
    CHECK(groups[1] == x.size(1));
    GroupNorm advised(groups[0], groups[1]);
    CHECK(error_of(advised, x) == "");
  }
  const bool batch_norm = error.find("or BatchNorm") != std::string::npos;
  if (batch_norm && error.find("BatchNorm with a larger batch") == std::string::npos) {
    CHECK(x.size(0) > 1);
  }
}

template <class Norm, class... Arguments>
void check_advice_of(const Tensor& x, const Arguments&... arguments) {
  Norm norm(arguments...);
  check_advice(norm, x);
}

}  // namespace

TEST_CASE("the GroupNorm that a batch norm of one value per channel advises takes its input") {
  for (std::int64_t channels = 1; channels <= 70; ++channels) {
    CAPTURE(channels);
    for (const int rank : {2, 3}) {
      check_advice_of<BatchNorm1d>(single_values(rank, 1, channels), channels);
      check_advice_of<BatchRenorm1d>(single_values(rank, 1, channels), channels);
    }
    check_advice_of<BatchNorm2d>(single_values(4, 1, channels), channels);
    check_advice_of<BatchRenorm2d>(single_values(4, 1, channels), channels);
    check_advice_of<BatchNorm3d>(single_values(5, 1, channels), channels);
    for (const int rank : {2, 3, 4, 5}) {
      check_advice_of<SyncBatchNorm>(single_values(rank, 1, channels), channels);
      check_advice_of<GhostBatchNorm>(single_values(rank, 1, channels), channels);
    }
  }
  BatchNorm1d without(4, {.track_running_stats = false});
  CHECK(error_of(without, single_values(2, 1, 4)).find("eval()") == std::string::npos);  // it would not help
}

TEST_CASE("GroupNorm and InstanceNorm advise what takes their input") {
  for (std::int64_t channels = 1; channels <= 70; ++channels) {
    CAPTURE(channels);
    for (const std::int64_t batch : {1, 3}) {
      for (const int rank : {2, 3, 4, 5}) {
        check_advice_of<GroupNorm>(single_values(rank, batch, channels), channels, channels);
      }
      check_advice_of<InstanceNorm1d>(single_values(3, batch, channels), channels);
      check_advice_of<InstanceNorm2d>(single_values(4, batch, channels), channels);
      check_advice_of<InstanceNorm3d>(single_values(5, batch, channels), channels);
    }
  }
}

TEST_CASE("GhostBatchNorm advises a virtual batch size that takes its input") {
  for (const std::int64_t size : {1, 2}) {
    GhostBatchNorm norm(4, {.virtual_batch_size = size});
    const std::string error = error_of(norm, single_values(2, 5, 4));
    CAPTURE(error);
    CHECK(error.find("irtual_batch_size, such as 5") != std::string::npos);
  }
  GhostBatchNorm advised(4, {.virtual_batch_size = 5});
  CHECK(error_of(advised, single_values(2, 5, 4)) == "");
}

TEST_CASE("BatchChannelNorm advises what takes its input") {
  for (const bool estimate : {true, false}) {
    for (const std::int64_t batch : {1, 3}) {
      for (std::int64_t channels = 1; channels <= 70; ++channels) {
        CAPTURE(channels);
        BatchChannelNorm norm(channels, channels, {.estimate = estimate});
        const Tensor x = single_values(4, batch, channels);
        const std::string error = error_of(norm, x);
        CAPTURE(error);
        REQUIRE(!error.empty());
        const std::vector<std::int64_t> fewer = arguments(error, "BatchChannelNorm");
        CHECK(fewer.empty() == (channels == 1 || (batch == 1 && !estimate)));
        if (!fewer.empty()) {
          BatchChannelNorm advised(fewer[0], fewer[1], {.estimate = estimate});
          CHECK(error_of(advised, x) == "");
        } else {
          CHECK(arguments(error, "GroupNorm").empty() == (channels == 1));
        }
      }
    }
  }
}

TEST_CASE("what may stand behind a Linear layer takes (N, C) of every C after convert_bn_to_gn") {
  Generator generator(1);
  for (std::int64_t channels = 2; channels <= 70; ++channels) {
    std::vector<std::unique_ptr<Layer>> kinds;
    kinds.push_back(std::make_unique<BatchNorm1d>(channels));
    kinds.push_back(std::make_unique<BatchRenorm1d>(channels));
    kinds.push_back(std::make_unique<SyncBatchNorm>(channels));
    kinds.push_back(std::make_unique<GhostBatchNorm>(channels));
    for (std::unique_ptr<Layer>& norm : kinds) {
      const std::string kind = norm->type_name();
      CAPTURE(kind);
      CAPTURE(channels);
      Sequential net;
      net.append<Linear>(3, channels, generator).append(std::move(norm)).append<ReLU>();
      CHECK(convert_bn_to_gn(net).size() == 1);
      CHECK(net.child<GroupNorm>("1")->num_groups == most_groups(channels, std::min<std::int64_t>(32, channels / 2)));
      CHECK_NOTHROW(net(ones({1, 3})));
      CHECK_NOTHROW(net(ones({4, 3})));
    }
  }
}
