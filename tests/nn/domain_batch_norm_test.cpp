#include "evenkeel/nn/norm/domain_batch_norm.hpp"

#include "evenkeel/autograd/ops.hpp"
#include "evenkeel/nn/container.hpp"
#include "evenkeel/nn/norm/batch_norm.hpp"
#include "tests/support/values.hpp"

namespace evenkeel::test {
namespace {

using namespace evenkeel::nn;
using doctest::Contains;

TEST_CASE("DomainBatchNorm2d keeps statistics per domain, chosen by hand for a whole model") {
  Sequential net;
  net.append<DomainBatchNorm2d>(3, 2).append<Sequential>().append<DomainBatchNorm2d>(3, 2);
  auto& first = *net.child<DomainBatchNorm2d>("0");
  CHECK(set_domain(net, 2) == 2);
  net(random({3, 2, 4, 5}, 1, DType::float32) + 5.0);
  for (const char* name : {"0", "1", "2"}) {
    const bool seen = name == std::string("2");
    CHECK(first.child<BatchNorm2d>(name)->num_batches_tracked.array().item_int64() == (seen ? 1 : 0));
  }
  CHECK(first.domain() == 2);
  CHECK_THROWS_WITH(set_domain(net, 3), "DomainBatchNorm2d: there is no domain 3, only 0 to 2");
  CHECK_THROWS_WITH(first.set_domain(-1), Contains("there is no domain -1"));
  CHECK_THROWS_WITH(DomainBatchNorm2d(0, 2), Contains("number of domains must be positive, got 0"));
}

}  // namespace
}  // namespace evenkeel::test
