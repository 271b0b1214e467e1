#include "evenkeel/nn/module.hpp"

#include "evenkeel/autograd/anomaly.hpp"
#include "evenkeel/autograd/engine.hpp"
#include "evenkeel/autograd/ops/arithmetic.hpp"
#include "evenkeel/autograd/ops/reduce.hpp"
#include "evenkeel/nn/activation.hpp"
#include "evenkeel/nn/container.hpp"
#include "evenkeel/nn/dropout.hpp"
#include "evenkeel/nn/linear.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

using namespace evenkeel;
using namespace evenkeel::nn;
using doctest::Contains;

namespace {

/// Entries registered out of order, an absent one, and a counter that old files lack.
class Scale : public Layer {
 public:
  explicit Scale(std::int64_t n, bool with_bias = true)
      : mean(buffer("mean", Array::full({n}, 0.5))),
        weight(parameter("weight", Array::full({n}, 2))),
        count(optional_buffer("count", Array::full({}, 7, DType::int64))),
        bias(parameter("bias", with_bias ? Array::full({n}, 1) : Array{})) {}
  Tensor forward(const Tensor& x) override { return x * weight; }

  Tensor& mean;
  Tensor& weight;
  Tensor& count;
  Tensor& bias;
};

/// Stays in eval mode.
class Frozen : public Scale {
 public:
  using Scale::Scale;

 protected:
  void on_train(bool /*mode*/) override { training_ = false; }
};

class Net : public Layer {
 public:
  Net() : body(add<Sequential>("body")), head(add<Scale>("head", 2)) {
    body->append<Scale>(3).append<ReLU>().append<Scale>(1, false);
  }
  Tensor forward(const Tensor& x) override { return head(body(x)); }

  Tensor& gain = parameter("gain", Array::ones({2, 2}));
  Child<Sequential> body;
  Child<Scale> head;
};

/// Opens the registration functions to a test.
class Open : public Layer {
 public:
  Tensor forward(const Tensor& x) override { return x; }
  using Module::add;
  using Module::buffer;
  using Module::generator;
  using Module::parameter;
};

template <class List>
std::vector<std::string> names_of(const List& list) {
  std::vector<std::string> names;
  for (const auto& entry : list) {
    names.push_back(entry.first);
  }
  return names;
}

using Names = std::vector<std::string>;

StateDict cloned(const StateDict& state) {
  StateDict copy;
  for (const auto& [name, value] : state) {
    copy.emplace_back(name, value.clone());
  }
  return copy;
}

void set(StateDict& state, const std::string& name, Array value) {
  for (auto& entry : state) {
    if (entry.first == name) {
      entry.second = std::move(value);
      return;
    }
  }
  state.emplace_back(name, std::move(value));
}

std::string message(const std::function<void()>& f) {
  try {
    f();
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("state_dict: own parameters, own buffers, then children, depth first; absent entries are not listed") {
  Net net;
  CHECK(names_of(net.state_dict()) == Names{"gain", "body.0.weight", "body.0.bias", "body.0.mean", "body.0.count",
                                            "body.2.weight", "body.2.mean", "body.2.count", "head.weight", "head.bias",
                                            "head.mean", "head.count"});
  CHECK(names_of(net.named_parameters()) ==
        Names{"gain", "body.0.weight", "body.0.bias", "body.2.weight", "head.weight", "head.bias"});
  CHECK(names_of(net.named_buffers()) ==
        Names{"body.0.mean", "body.0.count", "body.2.mean", "body.2.count", "head.mean", "head.count"});
  CHECK(names_of(net.named_modules()) == Names{"", "body", "body.0", "body.1", "body.2", "head"});
  CHECK(net.num_parameters() == 4 + 6 + 1 + 4);
  for (const Tensor& parameter : net.parameters()) {
    CHECK(parameter.requires_grad());
  }
  for (const auto& [name, buffer] : net.named_buffers()) {
    CHECK_FALSE(buffer.requires_grad());
  }
}

TEST_CASE("names must not be empty, dotted or taken") {
  Open m;
  const Array one = Array::ones({1});
  m.parameter("weight", one);
  m.buffer("absent", Array{});
  m.add<ReLU>("act");
  CHECK_THROWS_WITH(m.parameter("", one), "parameter: parameter name can't be empty string \"\"");
  CHECK_THROWS_WITH(m.buffer("", one), "buffer: buffer name can't be empty string \"\"");
  CHECK_THROWS_WITH(m.add<ReLU>(""), "module: module name can't be empty string \"\"");
  CHECK_THROWS_WITH(m.parameter("a.b", one), "parameter: parameter name can't contain \".\", got: a.b");
  CHECK_THROWS_WITH(m.add<ReLU>("a.b"), "module: module name can't contain \".\", got: a.b");
  CHECK_THROWS_WITH(m.buffer("weight", one), "buffer: attribute 'weight' already exists");
  CHECK_THROWS_WITH(m.parameter("act", one), "parameter: attribute 'act' already exists");
  CHECK_THROWS_WITH(m.add<ReLU>("absent"), "module: attribute 'absent' already exists");
  Generator g(1);
  CHECK_THROWS_WITH(m.generator("weight", g), "generator: attribute 'weight' already exists");
  CHECK_THROWS_WITH(m.add("none", std::unique_ptr<Layer>()), Contains("needs a layer, got nullptr"));
  CHECK(m.children().size() == 1);
}

TEST_CASE("entries stay where they are, and assigning a member changes the registry") {
  Net net;
  Scale& scale = *net.head;
  Tensor& weight = scale.weight;
  CHECK(&weight == &net.get_parameter("head.weight"));
  weight = Tensor(Array::full({2}, 5), true);
  CHECK(net.parameters()[4].is(weight));
  CHECK(&net.get_buffer("head.count") == &scale.count);
  CHECK_FALSE(net.get_parameter("body.2.bias").defined());
  CHECK_THROWS_WITH(net.get_parameter("head.mean"), "get_parameter: 'head.mean' of Net is a buffer, not a parameter");
  CHECK_THROWS_WITH(net.get_buffer("head.weight"), Contains("is a parameter, not a buffer"));
  CHECK_THROWS_WITH(net.get_parameter("head.wait"), Contains("Scale has no attribute 'wait'"));
  CHECK_THROWS_WITH(net.get_parameter("tail.weight"),
                    "child: Net has no child named 'tail'; it has \"body\", \"head\"");
  CHECK_THROWS_WITH(net.child("body.1.x"), Contains("ReLU has no child named 'x'; it has none"));
}

TEST_CASE("a slot survives the replacement of its layer") {
  Net net;
  Slot& place = net.child("body.1");
  CHECK(place.name() == "1");
  CHECK_THROWS_WITH(*Child<Scale>(place), "Child: child 'body.1' is a ReLU, expected a Scale");
  const std::unique_ptr<Module> old = place.replace(std::make_unique<Scale>(3));
  CHECK(old->type_name() == "ReLU");
  CHECK(&net.child("body.1") == &place);
  CHECK(names_of(net.named_parameters())[3] == "body.1.weight");
  const Tensor y = place(tensor<float>({-1, 2, 3}, {3}));
  CHECK(y.to_vector<float>() == std::vector<float>{-2, 4, 6});
  CHECK_THROWS_WITH(place.replace(nullptr), Contains("child 'body.1' needs a layer, got nullptr"));
  CHECK(place->type_name() == "Scale");
}

TEST_CASE("train and eval reach every module; a frozen layer stays as it is") {
  Net net;
  net.body->append<Frozen>(3);
  net.train();
  CHECK(net.training());
  CHECK(net.child("body.0")->training());
  CHECK_FALSE(net.child("body.3")->training());
  net.eval();
  CHECK_FALSE(net.training());
  CHECK_FALSE(net.child("body.2")->training());
}

TEST_CASE("EvalGuard gives every module its own mode back, also when an exception leaves") {
  Net net;
  net.child("body.0")->eval();
  try {
    const EvalGuard guard(net);
    CHECK_FALSE(net.training());
    CHECK_FALSE(net.head->training());
    throw std::runtime_error("out");
  } catch (const std::runtime_error&) {
  }
  CHECK(net.training());
  CHECK(net.body->training());
  CHECK_FALSE(net.child("body.0")->training());
  CHECK(net.child("body.1")->training());
}

TEST_CASE("apply calls children first") {
  Net net;
  std::string order;
  net.apply([&](Module& m) { order += m.type_name() + " "; });
  CHECK(order == "Scale ReLU Scale Sequential Scale Net ");
}

TEST_CASE("to converts floating values and gradients and keeps the handles") {
  Net net;
  std::vector<Tensor> handles = net.parameters();
  handles[0].set_grad(full({2, 2}, 3));
  net.to(DType::float64);
  CHECK(handles[0].is(net.gain));
  CHECK(handles[0].dtype() == DType::float64);
  CHECK(handles[0].grad().dtype() == DType::float64);
  CHECK(handles[0].grad().to_vector<double>() == std::vector<double>{3, 3, 3, 3});
  CHECK(net.get_buffer("head.mean").dtype() == DType::float64);
  CHECK(net.get_buffer("head.count").dtype() == DType::int64);
  CHECK(net.get_buffer("head.count").array().item_int64() == 7);
  const Tensor y = sum(net.head(ones({3, 2}, {.dtype = DType::float64})));
  y.backward();
  CHECK(net.get_parameter("head.weight").grad().to_vector<double>() == std::vector<double>{3, 3});
  CHECK_THROWS_WITH(net.to(DType::int64),
                    "Module::to: only accepts floating point dtypes, but got desired dtype=int64");
}

TEST_CASE("a conversion between forward and backward is an error of backward, and changes no gradient") {
  Net net;
  const Tensor weight = net.get_parameter("head.weight");
  const Tensor early = sum(net.head(ones({3, 2})));
  net.to(DType::float64);
  CHECK_THROWS_WITH(early.backward(), doctest::Contains("got dtype float32 but expected float64"));
  CHECK_FALSE(weight.grad().defined());
  const Tensor again = sum(net.head(ones({3, 2}, {.dtype = DType::float64})));
  net.to(DType::float32).to(DType::float64);
  again.backward();
  CHECK(weight.grad().to_vector<double>() == std::vector<double>{3, 3});
}

TEST_CASE("a tied parameter is listed once, saved under both names, and stays tied") {
  Net net;
  Tensor& first = net.get_parameter("body.0.weight");
  net.get_parameter("body.0.bias") = first;
  CHECK(names_of(net.named_parameters()) ==
        Names{"gain", "body.0.weight", "body.2.weight", "head.weight", "head.bias"});
  CHECK(net.num_parameters() == 4 + 3 + 1 + 4);
  const StateDict state = net.state_dict();
  CHECK(state[1].first == "body.0.weight");
  CHECK(state[2].first == "body.0.bias");
  CHECK(state[1].second.shares_storage(state[2].second));
  net.to(DType::float64).to(DType::float32);
  Net other;
  other.get_parameter("body.0.bias") = other.get_parameter("body.0.weight");
  set(const_cast<StateDict&>(state), "body.0.bias", Array::full({3}, 9));
  set(const_cast<StateDict&>(state), "body.0.weight", Array::full({3}, 9));
  other.load_state_dict(state);
  CHECK(other.get_parameter("body.0.weight").is(other.get_parameter("body.0.bias")));
  CHECK(other.get_parameter("body.0.weight").to_vector<float>() == std::vector<float>{9, 9, 9});
}

TEST_CASE("different values for tied parameters are an error that names both, and nothing is loaded") {
  Net net;
  net.get_parameter("body.0.bias") = net.get_parameter("body.0.weight");
  StateDict state = cloned(Net().state_dict());
  set(state, "gain", Array::full({2, 2}, 5));
  set(state, "body.0.weight", Array::full({3}, 8));
  set(state, "body.0.bias", Array::from(std::vector<float>{8, 8, 9}, {3}));
  const auto before = cloned(net.state_dict());
  for (const bool strict : {true, false}) {
    CHECK(message([&] { net.load_state_dict(state, strict); }) ==
          "load_state_dict: Error(s) in loading state_dict for Net:"
          "\n\tconflicting values for body.0.weight and body.0.bias, which share memory in the current model.");
  }
  for (std::size_t i = 0; i < before.size(); ++i) {
    CHECK(net.state_dict()[i].second.to(DType::float64).to_vector<double>() ==
          before[i].second.to(DType::float64).to_vector<double>());
  }
  // Views of one storage that lie over each other in part.
  Array memory = Array::zeros({5});
  net.get_parameter("body.0.weight").set_data(memory.slice(0, 0, 3));
  net.get_parameter("body.0.bias") = Tensor(memory.slice(0, 2, 5), true);
  CHECK(message([&] { net.load_state_dict(state); }) == "");
  set(state, "body.0.bias", Array::from(std::vector<float>{7, 8, 9}, {3}));
  CHECK(message([&] { net.load_state_dict(state); }).find("conflicting values for body.0.weight and body.0.bias") !=
        std::string::npos);
  // Of a file that lacks one of the names, the other's value counts; NaN agrees with itself.
  std::erase_if(state, [](const auto& entry) { return entry.first == "body.0.bias"; });
  net.load_state_dict(state, false);
  const Array nan = Array::full({3}, std::numeric_limits<double>::quiet_NaN());
  Net tied;
  tied.get_parameter("body.0.bias") = tied.get_parameter("body.0.weight");
  set(state, "body.0.weight", nan);
  state.emplace_back("body.0.bias", nan.clone());
  tied.load_state_dict(state, false);
  CHECK(std::isnan(tied.get_parameter("body.0.weight").to_vector<float>()[0]));
}

TEST_CASE("requires_grad_ and zero_grad") {
  Net net;
  net.requires_grad_(false);
  CHECK(net.num_parameters() == 15);
  CHECK(net.num_parameters(true) == 0);
  net.head->requires_grad_();
  CHECK(net.num_parameters(true) == 4);
  sum(net.head(ones({2}))).backward();
  Tensor& weight = net.get_parameter("head.weight");
  CHECK(weight.grad().to_vector<float>() == std::vector<float>{1, 1});
  net.zero_grad(false);
  CHECK(weight.grad().to_vector<float>() == std::vector<float>{0, 0});
  net.zero_grad();
  CHECK_FALSE(weight.grad().defined());
}

TEST_CASE("a plan checks at once and writes when it is committed; values may be the module's own, exchanged") {
  Net net;
  StateDict state = net.state_dict();
  const auto mean = std::ranges::find(state, "body.0.mean", &StateDict::value_type::first);
  const auto bias = std::ranges::find(state, "body.0.bias", &StateDict::value_type::first);
  mean->second.fill_(1);
  bias->second.fill_(2);
  std::swap(mean->second, bias->second);
  LoadPlan plan = net.plan_load_state_dict(state);
  CHECK(net.get_buffer("body.0.mean").to_vector<float>()[0] == 1);
  plan.commit();
  CHECK(net.get_buffer("body.0.mean").to_vector<float>()[0] == 2);
  CHECK(net.get_parameter("body.0.bias").to_vector<float>()[0] == 1);
  net.get_parameter("body.0.bias").mutable_array().fill_(3);
  plan.commit();  // is empty now
  CHECK(net.get_parameter("body.0.bias").to_vector<float>()[0] == 3);
  state.erase(state.begin());
  CHECK_THROWS_WITH(net.plan_load_state_dict(state), Contains("Missing key(s)"));
}

TEST_CASE("load_state_dict copies values into the module's own storage") {
  Net from;
  Net to;
  from.gain.mutable_array().fill_(4);
  from.get_buffer("body.2.count").mutable_array().fill_(11);
  const StateDict state = from.state_dict();
  const LoadReport report = to.load_state_dict(state);
  CHECK(report.missing.empty());
  CHECK(report.unexpected.empty());
  CHECK(to.gain.to_vector<float>() == std::vector<float>{4, 4, 4, 4});
  CHECK(to.get_buffer("body.2.count").array().item_int64() == 11);
  CHECK_FALSE(to.gain.array().shares_storage(from.gain.array()));
  CHECK(to.gain.requires_grad());
}

TEST_CASE("one error lists every missing, unexpected and misshapen key, and nothing is loaded") {
  Net net;
  StateDict state = cloned(net.state_dict());
  for (auto& [name, value] : state) {
    value.fill_(33);
  }
  std::erase_if(state, [](const auto& entry) { return entry.first == "body.0.mean" || entry.first == "head.bias"; });
  set(state, "gain", Array::ones({1, 2}));  // would broadcast
  set(state, "head.weight", Array::ones({2, 1}));
  set(state, "body.2.weight", Array::ones({1}, DType::float64));
  set(state, "extra", Array::ones({1}));
  set(state, "head.other", Array::ones({1}));
  CHECK(message([&] { net.load_state_dict(state); }) ==
        "load_state_dict: Error(s) in loading state_dict for Net:"
        "\n\tMissing key(s) in state_dict: \"body.0.mean\", \"head.bias\"."
        "\n\tUnexpected key(s) in state_dict: \"extra\", \"head.other\"."
        "\n\tsize mismatch for gain: copying a param with shape [1, 2] from checkpoint, the shape in current model is "
        "[2, 2]."
        "\n\tdtype mismatch for body.2.weight: copying a param of float64 from checkpoint, the dtype in current model "
        "is float32 (convert one of them with to())."
        "\n\tsize mismatch for head.weight: copying a param with shape [2, 1] from checkpoint, the shape in current "
        "model is [2].");
  const StateDict fresh = Net().state_dict();
  const StateDict after = net.state_dict();
  for (std::size_t i = 0; i < fresh.size(); ++i) {
    CHECK(after[i].second.to(DType::float64).to_vector<double>() ==
          fresh[i].second.to(DType::float64).to_vector<double>());
  }
}

TEST_CASE("without strict, keys are reported, but shapes still have to fit") {
  Net net;
  StateDict state = {{"gain", Array::full({2, 2}, 6)}, {"extra", Array::ones({1})}};
  const LoadReport report = net.load_state_dict(state, false);
  CHECK(report.unexpected == Names{"extra"});
  CHECK(report.missing.size() == 8);  // 11 others, of which 3 are optional
  CHECK(report.missing.front() == "body.0.weight");
  CHECK(net.gain.to_vector<float>() == std::vector<float>{6, 6, 6, 6});
  set(state, "gain", Array::ones({3}));
  CHECK_THROWS_WITH(net.load_state_dict(state, false), Contains("size mismatch for gain"));
  CHECK(message([&] { net.load_state_dict(state, false); }).find("Missing key") == std::string::npos);
}

TEST_CASE("a file without an optional buffer loads; duplicate and undefined values do not") {
  Net net;
  StateDict state = cloned(net.state_dict());
  std::erase_if(state, [](const auto& entry) { return entry.first.ends_with("count"); });
  CHECK(net.load_state_dict(state).missing.empty());
  CHECK(net.get_buffer("head.count").array().item_int64() == 7);
  state.push_back(state.front());
  CHECK_THROWS_WITH(net.load_state_dict(state), Contains("Duplicate key in state_dict: \"gain\"."));
  state.pop_back();
  set(state, "gain", Array{});
  CHECK_THROWS_WITH(net.load_state_dict(state), Contains("undefined value for gain."));
}

TEST_CASE("generators are their own, are saved and come back") {
  Generator source(3);
  Sequential net;
  net.append<Dropout>(0.5, source).append<ReLU>().append<Dropout>(0.5, source);
  const Tensor x = ones({64});
  const auto draw = [&](std::int64_t i) { return net[i](x).to_vector<float>(); };
  CHECK(draw(0) != draw(2));
  CHECK(net.state_dict().empty());
  const StateDict saved = net.generator_state();
  CHECK(names_of(saved) == Names{"0.generator", "2.generator"});
  const auto first = draw(0);
  const auto second = draw(2);
  CHECK(draw(0) != first);
  net.load_generator_state(saved);
  CHECK(draw(0) == first);
  CHECK(draw(2) == second);
  CHECK_THROWS_WITH(net.load_generator_state({}), "load_generator_state: got 0 generators, Sequential has 2");
  StateDict wrong = saved;
  wrong[1].first = "1.generator";
  CHECK_THROWS_WITH(net.load_generator_state(wrong), Contains("no state for '2.generator'"));
  wrong = saved;
  wrong[0].second = Array::ones({2});
  CHECK_THROWS_WITH(net.load_generator_state(wrong), Contains("must be an int64 array of shape [2]"));
}

TEST_CASE("forward hooks run in order with input and output, until removed") {
  Scale layer(2);
  std::string calls;
  const auto a = layer.register_forward_hook([&](const Module& m, const auto& in, const auto& out) {
    calls += concat("a", m.type_name(), in[0].shape(), out[0].template to_vector<float>()[0], " ");
  });
  layer.register_forward_hook([&](const Module&, const auto&, const auto&) { calls += "b "; });
  layer(ones({3, 2}));
  CHECK(calls == "aScale[3, 2]2 b ");
  layer.remove_forward_hook(a);
  layer(ones({2}));
  CHECK(calls == "aScale[3, 2]2 b b ");
}

TEST_CASE("a forward hook may remove and add hooks, itself too: from the next call on") {
  Scale layer(2);
  std::string calls;
  std::size_t own = 0, second = 0;
  own = layer.register_forward_hook([&](const Module&, const auto&, const auto&) {
    calls += "a";
    layer.remove_forward_hook(own);
    layer.remove_forward_hook(second);
    for (int i = 0; i < 20; ++i) {
      layer.register_forward_hook([&](const Module&, const auto&, const auto&) { calls += "c"; });
    }
  });
  second = layer.register_forward_hook([&](const Module&, const auto&, const auto&) { calls += "b"; });
  layer(ones({2}));
  CHECK(calls == "ab");
  layer(ones({2}));
  CHECK(calls == "ab" + std::string(20, 'c'));
}

TEST_CASE("anomaly reports name the part of the model") {
  Net net;
  net.get_parameter("body.2.weight").mutable_array().fill_(NAN);
  const AnomalyGuard guard;
  CHECK_THROWS_WITH(net(ones({2, 3})), Contains("body.2"));
}
