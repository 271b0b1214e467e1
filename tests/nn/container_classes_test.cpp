// Lists that change, and the containers by name: order, keys, names in a state_dict, printed text, errors.

#include "evenkeel/nn/activation.hpp"
#include "evenkeel/nn/container.hpp"
#include "evenkeel/nn/linear.hpp"
#include "evenkeel/nn/parameter_container.hpp"

#include <doctest/doctest.h>

using namespace evenkeel;
using namespace evenkeel::nn;
using doctest::Contains;
using Names = std::vector<std::string>;

namespace {

Names types(ModuleList& list) {
  Names names;
  for (Slot& slot : list) {
    names.push_back(slot.name() + slot->type_name());
  }
  return names;
}

Names state_names(const Module& module) {
  Names names;
  for (const auto& [name, value] : module.state_dict()) {
    names.push_back(name);
  }
  return names;
}

/// A model with all of them; the names are PyTorch's of the same model.
struct Holder : Module {
  explicit Holder(Generator& g)
      : layers(add<ModuleDict>("layers")),
        params(add<ParameterList>("params")),
        by_name(add<ParameterDict>("by_name")) {
    layers->add<Linear>("right", 2, 3, g);
    layers->add<Linear>("left", 2, 3, g, {.bias = false});
    params->append(Array::ones({2})).extend({Array::zeros({3, 1}), Array::ones({})});
    by_name->add("b", Array::ones({4}));
    by_name->add("a", Array::ones({5}, DType::float64));
  }
  Child<ModuleDict> layers;
  Child<ParameterList> params;
  Child<ParameterDict> by_name;
};

}  // namespace

TEST_CASE("insert, extend and pop move the other modules by one place") {
  ModuleList list;
  list.append<ReLU>();
  list.insert(0, std::make_unique<Tanh>()).insert(1, std::make_unique<Sigmoid>()).insert(-1, std::make_unique<SiLU>());
  CHECK(types(list) == Names{"0Tanh", "1Sigmoid", "2SiLU", "3ReLU"});
  const Module* sigmoid = &*list[1];
  std::vector<std::unique_ptr<Module>> more;
  more.push_back(std::make_unique<GELU>());
  more.push_back(std::make_unique<ELU>());
  list.extend(std::move(more)).insert(6, std::make_unique<ReLU>());
  CHECK(types(list) == Names{"0Tanh", "1Sigmoid", "2SiLU", "3ReLU", "4GELU", "5ELU", "6ReLU"});
  CHECK(list.pop(-2)->type_name() == "ELU");
  CHECK(list.pop()->type_name() == "ReLU");
  CHECK(list.pop(0)->type_name() == "Tanh");
  CHECK(types(list) == Names{"0Sigmoid", "1SiLU", "2ReLU", "3GELU"});
  CHECK(&*list[0] == sigmoid);
  CHECK(sigmoid->place() == &list[0]);
}

TEST_CASE("what a list refuses leaves it as it was") {
  ModuleList list;
  CHECK_THROWS_WITH_AS(list.pop(), "ModuleList: index -1 is out of range; there are 0 children", IndexError);
  list.append<ReLU>();
  CHECK_THROWS_WITH_AS(list.insert(2, std::make_unique<Tanh>()), Contains("index 2 is out of range"), IndexError);
  CHECK_THROWS_WITH_AS(list.insert(-2, std::make_unique<Tanh>()), Contains("index -2 is out of range"), IndexError);
  CHECK_THROWS_WITH_AS(list.insert(0, nullptr), "ModuleList: the module must not be nullptr", ValueError);
  std::vector<std::unique_ptr<Module>> more(2);
  more[0] = std::make_unique<Tanh>();
  CHECK_THROWS_WITH_AS(list.extend(std::move(more)), "ModuleList: the module must not be nullptr", ValueError);
  CHECK(types(list) == Names{"0ReLU"});
}

TEST_CASE("a Sequential runs what was inserted") {
  Sequential net;
  net.append<ReLU>();
  const Tensor x = tensor<float>({-1, 2}, {2});
  CHECK(net(x).to_vector<float>() == std::vector<float>{0, 2});
  net.insert(0, std::make_unique<Sigmoid>());
  CHECK(net(x).to_vector<float>()[0] == doctest::Approx(0.268941));
  net.pop(0);
  CHECK(net(x).to_vector<float>() == std::vector<float>{0, 2});
}

TEST_CASE("a state_dict has PyTorch's names, in the order of insertion") {
  Generator g(3);
  Holder holder(g);
  CHECK(state_names(holder) == Names{"layers.right.weight", "layers.right.bias", "layers.left.weight", "params.0",
                                     "params.1", "params.2", "by_name.b", "by_name.a"});
  CHECK(holder.parameters().size() == 8);
  CHECK(concat(*holder.params) ==
        "ParameterList(\n    (0): Parameter containing: [torch.float32 of size 2]\n    (1): Parameter containing: "
        "[torch.float32 of size 3x1]\n    (2): Parameter containing: [torch.float32 of size ]\n)");
  CHECK(concat(*holder.by_name) ==
        "ParameterDict(\n    (b): Parameter containing: [torch.FloatTensor of size 4]\n    (a): Parameter containing: "
        "[torch.DoubleTensor of size 5]\n)");
  CHECK(concat(ParameterList()) == "ParameterList()");
  CHECK(concat(ModuleDict()) == "ModuleDict()");
  Holder other(g);
  other.load_state_dict(holder.state_dict());
  CHECK((*other.layers)["left"](ones({1, 2})).to_vector<float>() ==
        (*holder.layers)["left"](ones({1, 2})).to_vector<float>());
}

TEST_CASE("modules by name: asked for, replaced, taken away") {
  ModuleDict dict;
  dict.add<ReLU>("b");
  dict.add("a", std::unique_ptr<Module>(std::make_unique<Tanh>()));
  CHECK(dict.keys() == Names{"b", "a"});
  CHECK(dict.size() == 2);
  CHECK(dict.contains("a"));
  CHECK_FALSE(dict.contains("c"));
  CHECK(dict["a"](tensor<float>({0}, {1})).item() == 0);
  CHECK_THROWS_WITH_AS(dict["c"], "child: ModuleDict has no child named 'c'; it has \"b\", \"a\"", IndexError);
  CHECK_THROWS_WITH_AS(dict.add<ReLU>("a"), Contains("attribute 'a' already exists"), ValueError);
  CHECK_THROWS_WITH_AS(dict.add<ReLU>("a.b"), Contains("module name can't contain \".\", got: a.b"), ValueError);
  dict.set("b", std::make_unique<Sigmoid>());
  dict.set("c", std::make_unique<GELU>());
  Names types;
  for (Slot& slot : dict) {
    types.push_back(slot.name() + slot->type_name());
  }
  CHECK(types == Names{"bSigmoid", "aTanh", "cGELU"});
  CHECK(concat(dict) == "ModuleDict(\n  (b): Sigmoid()\n  (a): Tanh()\n  (c): GELU(approximate='none')\n)");
  CHECK(dict.pop("a")->type_name() == "Tanh");
  CHECK_THROWS_WITH_AS(dict.pop("a"), Contains("has no child named 'a'"), IndexError);
  CHECK(dict.keys() == Names{"b", "c"});
  dict.clear();
  CHECK(dict.size() == 0);
}

TEST_CASE("parameters by number and by name") {
  ParameterList list;
  list.append(Array::ones({2}));
  list.append(Array::zeros({3}));
  CHECK(list.size() == 2);
  CHECK(list[-1].numel() == 3);
  CHECK(list[0].requires_grad());
  std::int64_t total = 0;
  for (const Tensor& p : list) {
    total += p.numel();
  }
  CHECK(total == 5);
  CHECK_THROWS_WITH_AS(list[2], "ParameterList: index 2 is out of range; there are 2 parameters", IndexError);
  CHECK_THROWS_WITH_AS(list.extend({Array::ones({1}), Array()}), "ParameterList: the value must be defined",
                       ValueError);
  CHECK(list.size() == 2);
  list.to(DType::float64);
  CHECK(list[0].dtype() == DType::float64);

  ParameterDict dict;
  Tensor& first = dict.add("first", Array::ones({2}));
  dict.add("second", Array::ones({3}));
  CHECK(dict["first"].is(first));
  CHECK(dict.keys() == Names{"first", "second"});
  CHECK(dict.contains("second"));
  CHECK_FALSE(dict.contains("third"));
  std::string all;
  for (const auto& [name, p] : dict) {
    all += concat(name, p.get().numel(), " ");
  }
  CHECK(all == "first2 second3 ");
  CHECK_THROWS_WITH_AS(dict["third"], Contains("ParameterDict has no attribute 'third'"), IndexError);
  CHECK_THROWS_WITH_AS(dict.add("first", Array::ones({1})), Contains("attribute 'first' already exists"), ValueError);
  CHECK_THROWS_WITH_AS(dict.add("a.b", Array::ones({1})), Contains("parameter name can't contain \".\""), ValueError);
  CHECK_THROWS_WITH_AS(dict.add("third", Array()), "ParameterDict: the value must be defined", ValueError);
  CHECK(dict.size() == 2);
}
