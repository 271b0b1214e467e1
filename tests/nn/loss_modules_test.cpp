// Loss modules against PyTorch's values and gradients, in float64 to 1e-10 and in float32 to 1e-5, and their corners.

#include "evenkeel/autograd/engine.hpp"
#include "evenkeel/autograd/ops/reduce.hpp"
#include "evenkeel/nn/loss_embedding.hpp"
#include "tests/support/fixture.hpp"

#include <functional>
#include <limits>

namespace evenkeel::test {
namespace {

using namespace evenkeel::nn;
using Values = std::vector<double>;

/// module(x[0], x[1]) or module(x[0], x[1], x[2]).
template <class M>
Tensor run(M&& module, const std::vector<Tensor>& x) {
  if constexpr (requires { module.forward(x[0], x[1], x[2]); }) {
    return module(x[0], x[1], x[2]);
  } else {
    return module(x[0], x[1]);
  }
}

struct Call {
  std::vector<Tensor> x;
  Tensor weight;
  Reduction reduction;
};
using Loss = std::function<Tensor(const Call&)>;

const std::vector<std::pair<std::string, Loss>> kLosses = {
    {"huber", [](const Call& c) { return run(HuberLoss(c.reduction, 0.7), c.x); }},
    {"huber_edges", [](const Call& c) { return run(HuberLoss(c.reduction, 0.7), c.x); }},
    {"bce", [](const Call& c) { return run(BCELoss({.reduction = c.reduction}), c.x); }},
    {"bce_weight", [](const Call& c) { return run(BCELoss({.weight = c.weight, .reduction = c.reduction}), c.x); }},
    {"bce_corners", [](const Call& c) { return run(BCELoss({.reduction = c.reduction}), c.x); }},
    {"soft_margin", [](const Call& c) { return run(SoftMarginLoss(c.reduction), c.x); }},
    {"poisson", [](const Call& c) { return run(PoissonNLLLoss({.reduction = c.reduction}), c.x); }},
    {"poisson_full", [](const Call& c) { return run(PoissonNLLLoss({.full = true, .reduction = c.reduction}), c.x); }},
    {"poisson_rate",
     [](const Call& c) {
       return run(PoissonNLLLoss({.log_input = false, .full = true, .eps = 0.01, .reduction = c.reduction}), c.x);
     }},
    {"gaussian", [](const Call& c) { return run(GaussianNLLLoss({.reduction = c.reduction}), c.x); }},
    {"gaussian_full",
     [](const Call& c) { return run(GaussianNLLLoss({.full = true, .eps = 0.4, .reduction = c.reduction}), c.x); }},
    {"gaussian_zero", [](const Call& c) { return run(GaussianNLLLoss({.reduction = c.reduction}), c.x); }},
    {"kl_div", [](const Call& c) { return run(KLDivLoss({.reduction = c.reduction}), c.x); }},
    {"kl_div_log", [](const Call& c) { return run(KLDivLoss({.log_target = true, .reduction = c.reduction}), c.x); }},
    {"kl_div_zeros", [](const Call& c) { return run(KLDivLoss({.reduction = c.reduction}), c.x); }},
    {"cosine", [](const Call& c) { return run(CosineEmbeddingLoss(0, c.reduction), c.x); }},
    {"cosine_margin", [](const Call& c) { return run(CosineEmbeddingLoss(0.3, c.reduction), c.x); }},
    {"cosine_one", [](const Call& c) { return run(CosineEmbeddingLoss(-0.5, c.reduction), c.x); }},
    {"hinge", [](const Call& c) { return run(HingeEmbeddingLoss(1, c.reduction), c.x); }},
    {"hinge_edges", [](const Call& c) { return run(HingeEmbeddingLoss(0.7, c.reduction), c.x); }},
    {"ranking", [](const Call& c) { return run(MarginRankingLoss(0, c.reduction), c.x); }},
    {"ranking_margin", [](const Call& c) { return run(MarginRankingLoss(0.5, c.reduction), c.x); }},
    {"triplet", [](const Call& c) { return run(TripletMarginLoss({.reduction = c.reduction}), c.x); }},
    {"triplet_swap",
     [](const Call& c) {
       return run(TripletMarginLoss({.margin = 2, .p = 3, .eps = 1e-2, .swap = true, .reduction = c.reduction}), c.x);
     }},
    {"soft", [](const Call& c) { return run(CrossEntropyLoss({.reduction = c.reduction}), c.x); }},
    {"soft_all",
     [](const Call& c) {
       return run(CrossEntropyLoss({.weight = c.weight, .label_smoothing = 0.2, .reduction = c.reduction}), c.x);
     }},
    {"soft_4d",
     [](const Call& c) {
       return run(CrossEntropyLoss({.weight = c.weight, .label_smoothing = 0.2, .reduction = c.reduction}), c.x);
     }},
    {"multi_margin", [](const Call& c) { return run(MultiMarginLoss({.reduction = c.reduction}), c.x); }},
    {"multi_margin_all",
     [](const Call& c) {
       return run(MultiMarginLoss({.p = 2, .margin = 0.7, .weight = c.weight, .reduction = c.reduction}), c.x);
     }},
    {"multi_margin_edges", [](const Call& c) { return run(MultiMarginLoss({.reduction = c.reduction}), c.x); }},
    {"multi_margin_one",
     [](const Call& c) { return run(MultiMarginLoss({.weight = c.weight, .reduction = c.reduction}), c.x); }},
    {"multilabel", [](const Call& c) { return run(MultiLabelMarginLoss(c.reduction), c.x); }},
    {"multilabel_one", [](const Call& c) { return run(MultiLabelMarginLoss(c.reduction), c.x); }},
    {"multilabel_soft", [](const Call& c) { return run(MultiLabelSoftMarginLoss({.reduction = c.reduction}), c.x); }},
    {"multilabel_soft_weight",
     [](const Call& c) { return run(MultiLabelSoftMarginLoss({.weight = c.weight, .reduction = c.reduction}), c.x); }},
    {"mse_weighted", [](const Call& c) { return mse_loss(c.x[0], c.x[1], c.reduction, c.weight); }},
    {"l1_weighted", [](const Call& c) { return l1_loss(c.x[0], c.x[1], c.reduction, c.weight); }},
    {"huber_weighted", [](const Call& c) { return huber_loss(c.x[0], c.x[1], c.reduction, 1, c.weight); }},
    {"soft_one",
     [](const Call& c) { return run(CrossEntropyLoss({.label_smoothing = 0.2, .reduction = c.reduction}), c.x); }},
};

const std::vector<std::pair<std::string, Loss>> kDistances = {
    {"distance", [](const Call& c) { return run(PairwiseDistance(), c.x); }},
    {"distance_broadcast", [](const Call& c) { return run(PairwiseDistance({.p = 1, .keepdim = true}), c.x); }},
    {"distance_inf",
     [](const Call& c) { return run(PairwiseDistance({.p = std::numeric_limits<double>::infinity()}), c.x); }},
    {"distance_equal", [](const Call& c) { return run(PairwiseDistance({.eps = 0}), c.x); }},
};

struct Row {
  Loss loss;
  Reduction reduction = Reduction::none;
};

TEST_CASE("every loss module equals PyTorch's, also in its corners") {
  std::vector<std::pair<std::string, Row>> rows;
  for (const auto& [name, loss] : kDistances) {
    rows.push_back({name, {loss}});
  }
  for (const auto& [name, loss] : kLosses) {
    rows.push_back({name + "_mean", {loss, Reduction::mean}});
    rows.push_back({name + "_sum", {loss, Reduction::sum}});
    rows.push_back({name + "_none", {loss, Reduction::none}});
    if (name.starts_with("kl_div")) {
      rows.push_back({name + "_batchmean", {loss, Reduction::batchmean}});
    }
  }
  replay("losses_more.safetensors", rows, {}, [](FixtureCase& one, const Row& row) {
    Call call{.x = {}, .weight = one.input("weight"), .reduction = row.reduction};
    for (const char* key : {"0", "1", "2"}) {
      if (one.has(concat("x", key))) {
        call.x.push_back(one.input(concat("x", key), one.has(concat("dx", key))));
      }
    }
    const Tensor loss = row.loss(call);
    one.check(loss.array(), "loss");
    loss.backward(one.input("dloss"));
    for (std::size_t i = 0; i < call.x.size(); ++i) {
      if (call.x[i].requires_grad()) {
        one.check(call.x[i].grad().array(), concat("dx", i));
      }
    }
  });
}

TEST_CASE("a target of probability 0 adds nothing to the Kullback-Leibler divergence, whatever the input") {
  const double inf = std::numeric_limits<double>::infinity();
  const Tensor x = tensor<double>({-inf, -1, -inf}, {3}, true), p = tensor<double>({0, 0, 0.5}, {3}, true);
  const Tensor loss = KLDivLoss({.reduction = Reduction::none})(x, p);
  CHECK(doubles(loss) == Values{0, 0, inf});
  sum(loss).backward();
  CHECK(doubles(x.grad()) == Values{0, 0, -0.5});
  CHECK(doubles(p.grad())[1] == -inf);
  const Tensor log_p = tensor<double>({-inf, -inf, 0}, {3}, true);
  const Tensor of_logs = KLDivLoss({.log_target = true, .reduction = Reduction::none})(x, log_p);
  CHECK(doubles(of_logs) == Values{0, 0, inf});
  CHECK(doubles(grad({sum(of_logs)}, {x})[0]) == Values{0, 0, -1});
}

TEST_CASE("soft margins that overflow in PyTorch, and a Poisson count of 0 with the full likelihood") {
  const Tensor x = tensor<double>({1e3, -1e3}, {2}, true), side = ones({2}, {.dtype = DType::float64});
  const Tensor loss = SoftMarginLoss(Reduction::none)(x, side);
  CHECK(doubles(loss) == Values{0, 1e3});
  CHECK(doubles(grad({sum(loss)}, {x})[0]) == Values{0, -1});
  const Tensor count = tensor<double>({0, 1}, {2}, true);
  sum(PoissonNLLLoss({.full = true, .reduction = Reduction::none})(tensor<double>({2, 3}, {2}), count)).backward();
  CHECK(doubles(count.grad()) == Values{-2, -3});
}

TEST_CASE("loss modules keep weights in their state, print as PyTorch's and refuse wrong options") {
  BCELoss bce({.weight = full({3}, 2)});
  CHECK(bce.state_dict().size() == 1);
  CHECK(bce.state_dict()[0].first == "weight");
  bce.to(DType::float64);
  const Tensor half = full({3}, 0.5, {.dtype = DType::float64});
  CHECK(bce(half, half).item() == doctest::Approx(2 * std::log(2.0)));
  CHECK(concat(bce) == "BCELoss()");
  CHECK(concat(KLDivLoss()) == "KLDivLoss()");
  CHECK(concat(TripletMarginLoss()) == "TripletMarginLoss()");
  CHECK(concat(PairwiseDistance()) == "PairwiseDistance()");
  CHECK_THROWS_WITH_AS(HuberLoss(Reduction::mean, 0), "HuberLoss: delta must be positive, got 0", ValueError);
  CHECK_THROWS_WITH_AS(MultiMarginLoss({.p = 3}), "MultiMarginLoss: only p == 1 and p == 2 supported, got 3",
                       ValueError);
  CHECK_THROWS_WITH_AS(TripletMarginLoss({.margin = 0}),
                       "TripletMarginLoss: expected margin to be greater than 0, got 0 instead", ValueError);
  CHECK_THROWS_WITH_AS(TripletMarginLoss({.p = 0.5}), "TripletMarginLoss: p must be at least 1, got 0.5", ValueError);
  CHECK_THROWS_WITH_AS(PairwiseDistance({.p = -1}), "PairwiseDistance: p must be at least 1, got -1", ValueError);
}

}  // namespace
}  // namespace evenkeel::test
