#include "evenkeel/nn/container.hpp"

#include "evenkeel/nn/activation.hpp"
#include "evenkeel/nn/linear.hpp"

#include <doctest/doctest.h>

using namespace evenkeel;
using namespace evenkeel::nn;
using doctest::Contains;

TEST_CASE("Sequential runs its children in order; an empty one is the identity") {
  Generator g(4);
  Sequential net;
  const Tensor x = tensor<float>({1, -2, 3}, {1, 3});
  CHECK(net(x).is(x));
  net.append<Linear>(3, 2, g).append<ReLU>().append<Linear>(2, 1, g);
  net.load_state_dict({{"0.weight", Array::from(std::vector<float>{1, 1, 1, -1, 0, -1}, {2, 3})},
                       {"0.bias", Array::from(std::vector<float>{0.5, 1}, {2})},
                       {"2.weight", Array::from(std::vector<float>{2, 7}, {1, 2})},
                       {"2.bias", Array::from(std::vector<float>{-1}, {1})}});
  // 1 - 2 + 3 + 0.5 = 2.5; -1 - 3 + 1 = -3 -> 0; 2 * 2.5 - 1 = 4
  CHECK(net(x).item() == doctest::Approx(4));
}

TEST_CASE("layers draw their weights in the order in which they are appended") {
  Generator together(9);
  Sequential net;
  net.append<Linear>(3, 2, together).append<Linear>(2, 4, together);
  Generator apart(9);
  const Linear first(3, 2, apart);
  const Linear second(2, 4, apart);
  CHECK(net.get_parameter("0.weight").to_vector<float>() == first.weight.to_vector<float>());
  CHECK(net.get_parameter("1.bias").to_vector<float>() == second.bias.to_vector<float>());
}

TEST_CASE("children by index, from the front and from the back") {
  Sequential net;
  net.append<ReLU>().append<SiLU>().append(std::make_unique<Tanh>());
  CHECK(net.size() == 3);
  CHECK(net[1]->type_name() == "SiLU");
  CHECK(net[-1]->type_name() == "Tanh");
  CHECK(net[-3].name() == "0");
  CHECK_THROWS_WITH(net[3], "Sequential: index 3 is out of range; there are 3 children");
  CHECK_THROWS_WITH(net[-4], Contains("index -4 is out of range"));
  net.add<Sigmoid>("last");
  CHECK(net.child("last")->type_name() == "Sigmoid");
  CHECK(net[-1].name() == "last");
}

TEST_CASE("ModuleList registers its children and has no forward") {
  Generator g(1);
  ModuleList list;
  list.append<Linear>(2, 3, g).append<Linear>(3, 1, g);
  CHECK(list.named_parameters()[2].first == "1.weight");
  const Tensor x = ones({5, 2});
  CHECK(list[1](list[0](x)).shape() == Shape{5, 1});
  Sequential net;
  net.add<ModuleList>("list");
  CHECK_THROWS_WITH(net(x), Contains("Module [ModuleList] is missing the required \"forward\" function"));
}
