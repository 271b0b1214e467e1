// Children of any arguments: a U-Net whose decoder blocks take two inputs, a siamese network with a loss as a child, a
// generator and its discriminator. They train, have names, call hooks, are summed up and converted.

#include "evenkeel/autograd/grad_mode.hpp"
#include "evenkeel/autograd/ops.hpp"
#include "evenkeel/nn/activation.hpp"
#include "evenkeel/nn/container.hpp"
#include "evenkeel/nn/conv.hpp"
#include "evenkeel/nn/linear.hpp"
#include "evenkeel/nn/loss.hpp"
#include "evenkeel/nn/norm/batch_norm.hpp"
#include "evenkeel/nn/norm/convert.hpp"
#include "evenkeel/nn/norm/group_norm.hpp"
#include "evenkeel/nn/pool.hpp"
#include "evenkeel/nn/summary.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <tuple>

using namespace evenkeel;
using doctest::Contains;

namespace {

using Names = std::vector<std::string>;
using Shapes = std::vector<Shape>;

Names keys(const nn::Module& module) {
  Names names;
  for (const auto& [name, value] : module.state_dict()) {
    names.push_back(name);
  }
  return names;
}

/// One step of plain gradient descent; the loss before it.
double descend(nn::Module& model, double rate, const Tensor& loss) {
  model.zero_grad();
  loss.backward();
  const NoGradGuard guard;
  for (Tensor& parameter : model.parameters()) {
    sub_(parameter, parameter.grad() * rate);
  }
  return loss.item();
}

/// Halves the image; what came in goes around, to the decoder.
struct Down : nn::Module {
  Down(std::int64_t in, std::int64_t out, Generator& g)
      : conv(add<nn::Conv2d>("conv", in, out, g, {.kernel_size = 3, .padding = 1, .bias = false})),
        norm(add<nn::BatchNorm2d>("norm", out)) {}
  std::pair<Tensor, Tensor> forward(const Tensor& x) {
    const Tensor y = relu(norm(conv(x)));
    return {max_pool2d(y, {.kernel_size = 2}), y};
  }
  nn::Child<nn::Conv2d> conv;
  nn::Child<nn::BatchNorm2d> norm;
};

/// Doubles the image and joins what went around.
struct Up : nn::Module {
  Up(std::int64_t in, std::int64_t out, Generator& g)
      : up(add<nn::ConvTranspose2d>("up", in, out, g, {.kernel_size = 2, .stride = 2})),
        conv(add<nn::Conv2d>("conv", 2 * out, out, g, {.kernel_size = 3, .padding = 1, .bias = false})),
        norm(add<nn::BatchNorm2d>("norm", out)) {}
  Tensor forward(const Tensor& x, const Tensor& around) { return relu(norm(conv(cat({up(x), around}, 1)))); }
  std::int64_t macs(const Shapes& inputs, const Shapes& /*outputs*/) const override { return numel(inputs[1]); }

  nn::Child<nn::ConvTranspose2d> up;
  nn::Child<nn::Conv2d> conv;
  nn::Child<nn::BatchNorm2d> norm;
};

struct UNet : nn::Layer {
  explicit UNet(Generator& g)
      : downs(add<nn::ModuleList>("downs")),
        ups(add<nn::ModuleList>("ups")),
        head(add<nn::Conv2d>("head", 4, 1, g, {.kernel_size = 1})) {
    downs->append<Down>(1, 4, g).append<Down>(4, 8, g);
    ups->append<Up>(8, 8, g).append<Up>(8, 4, g);
  }
  Tensor forward(const Tensor& x) override {
    const auto [half, whole_around] = downs->child<Down>("0")(x);
    const auto [quarter, half_around] = downs->child<Down>("1")(half);
    return head(ups->child<Up>("1")(ups->child<Up>("0")(quarter, half_around), whole_around));
  }
  nn::Child<nn::ModuleList> downs, ups;
  nn::Child<nn::Conv2d> head;
};

}  // namespace

TEST_CASE("a U-Net: decoder blocks of two inputs") {
  Generator g(1);
  UNet net(g);
  const Names names = keys(net);
  CHECK(names.front() == "downs.0.conv.weight");
  CHECK(std::count(names.begin(), names.end(), "ups.1.up.bias") == 1);
  CHECK(names.back() == "head.bias");
  CHECK(net.child("ups.0")->type_name() == "Up");
  CHECK(concat(*net.child("downs")) == R"(ModuleList(
  (0): Down(
    (conv): Conv2d(1, 4, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1), bias=False)
    (norm): BatchNorm2d(4, eps=1e-05, momentum=0.1, affine=True, track_running_stats=True)
  )
  (1): Down(
    (conv): Conv2d(4, 8, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1), bias=False)
    (norm): BatchNorm2d(8, eps=1e-05, momentum=0.1, affine=True, track_running_stats=True)
  )
))");

  const Tensor image = rand({2, 1, 8, 12}, g), mask = to(gt(image, full({}, 0.5)), DType::float32);
  const auto step = [&] { return descend(net, 0.5, binary_cross_entropy_with_logits(net(image), mask)); };
  const double first = step();
  for (int i = 0; i < 10; ++i) {
    step();
  }
  CHECK(step() < 0.8 * first);

  const nn::Summary s = summary(net, {1, 1, 8, 12});
  const auto up = std::find_if(s.layers.begin(), s.layers.end(), [](const auto& l) { return l.name == "ups.1"; });
  REQUIRE(up != s.layers.end());
  CHECK(up->inputs == Shapes{{1, 8, 4, 6}, {1, 4, 8, 12}});
  CHECK(up->outputs == Shapes{{1, 4, 8, 12}});
  CHECK(up->macs == 4 * 8 * 12);
  CHECK(concat(s).find("  [1, 4, 4, 6], [1, 4, 8, 12]  ") != std::string::npos);
}

TEST_CASE("norms inside are converted, and the blocks go on calling them") {
  Generator g(2);
  UNet net(g);
  const Tensor x = randn({2, 1, 8, 8}, g);
  net(x);
  CHECK(convert_bn_to_gn(net, 2).size() == 4);
  nn::Child<Up> block = net.child<Up>("ups.0");
  CHECK(net.child("ups.0.norm")->type_name() == "GroupNorm");
  const Tensor y = net(x);
  CHECK(y.shape() == Shape{2, 1, 8, 8});
  CHECK_THROWS_WITH(static_cast<void>(block->norm->running_mean),
                    "Child: child 'ups.0.norm' is a GroupNorm, expected a BatchNorm2d");
  CHECK(nn::Child<nn::GroupNorm>(block->norm.slot())->num_groups == 2);
  const double before = net.parameters()[0].to_vector<float>()[0];
  descend(net, 0.1, mean(square(y)));
  CHECK(net.parameters()[0].to_vector<float>()[0] != before);
}

TEST_CASE("hooks see every tensor among the arguments and results; errors and anomalies name the place") {
  Generator g(3);
  UNet net(g);
  std::string seen;
  const auto id = net.child("ups.0")->register_forward_hook([&](const nn::Module& m, const auto& in, const auto& out) {
    seen += concat(m.type_name(), in.size(), in[1].shape(), out.size());
  });
  net.child("downs.0")->register_forward_hook(
      [&](const nn::Module&, const auto& in, const auto& out) { seen += concat(in.size(), out.size(), " "); });
  net(ones({1, 1, 8, 8}));
  CHECK(seen == "12 Up2[1, 8, 4, 4]1");
  net.child("ups.0")->remove_forward_hook(id);
  seen = "";
  net(ones({1, 1, 8, 8}));
  CHECK(seen == "12 ");
  CHECK_THROWS_WITH(net.child("ups.0")(ones({1})), Contains("Module [Up] is missing the required \"forward\""));
  CHECK_THROWS_WITH(net.child<Down>("ups.0")(ones({1})), "Child: child 'ups.0' is a Up, expected a Down");
  CHECK_THROWS_WITH(static_cast<void>(nn::Child<Up>()->conv), "Child: this module has no such child, expected a Up");
  net.get_parameter("ups.1.conv.weight").mutable_array().fill_(NAN);
  const AnomalyGuard anomaly;
  CHECK_THROWS_WITH(net(ones({1, 1, 8, 8})), Contains("'ups.1.conv'"));
}

namespace {

/// Runs what lies below a list, a list in it, a holder of named children and a Sequential, each by another way.
struct Nested : nn::Module {
  struct Holder : nn::Module {
    using nn::Module::add;
  };
  explicit Nested(Generator& g) : list(add<nn::ModuleList>("list")) {
    list->append<nn::ModuleList>().append<nn::Sequential>().append<Holder>();
    list->child<nn::ModuleList>("0")->append<nn::Linear>(3, 3, g).append<nn::ReLU>();
    list->child<nn::Sequential>("1")->append<nn::Linear>(3, 3, g);
    list->child<Holder>("2")->add<nn::BatchNorm1d>("norm", 3);
  }
  Tensor forward(const Tensor& x) {
    const Tensor y = child("list.0.0")(x);
    const Tensor z = list->child<nn::Module>("1")(child<nn::Module>("list.0.1")(y));
    return child<nn::BatchNorm1d>("list.2.norm")(z, nn::silu);
  }
  nn::Child<nn::ModuleList> list;
};

/// Where each leaf of `model` says that it runs.
Names places(nn::Module& model, const std::function<void()>& run) {
  Names seen;
  std::vector<std::pair<nn::Module*, std::size_t>> hooks;
  for (const auto& [name, module] : model.named_modules()) {
    if (module->children().empty()) {
      hooks.emplace_back(module, module->register_forward_hook([&seen](const auto&, const auto&, const auto&) {
        seen.push_back(NameScope::path());
      }));
    }
  }
  run();
  for (const auto& [module, id] : hooks) {
    module->remove_forward_hook(id);
  }
  return seen;
}

}  // namespace

TEST_CASE("what runs is named by its whole path, whatever lies between and does not run") {
  Generator g(7);
  Nested net(g);
  const Tensor x = randn({4, 3}, g);
  const Names leaves = {"list.0.0", "list.0.1", "list.1.0", "list.2.norm"};
  CHECK(places(net, [&] { call(net, x); }) == leaves);
  CHECK(NameScope::path().empty());
  CHECK(net.child("list.1.0").path() == "list.1.0");
  CHECK(net.child("list.1.0").path(&*net.child("list.1")) == "0");
  CHECK(net.place() == nullptr);
  CHECK_THROWS_WITH(net.child("list.2.norm")(ones({4, 2})), Contains("BatchNorm1d (list.2.norm): "));
  CHECK_THROWS_WITH(net.child("list.2")(x), Contains("(child 'list.2')"));

  struct Outer : nn::Module {
    explicit Outer(Generator& g) : inner(add<Nested>("inner", g)) {}
    Tensor forward(const Tensor& x) { return direct ? inner->forward(x) : inner(x); }
    nn::Child<Nested> inner;
    bool direct = false;  // past the child's handle
  };
  const Names below = {"inner.list.0.0", "inner.list.0.1", "inner.list.1.0", "inner.list.2.norm"};
  for (const bool direct : {false, true}) {
    Outer outer(g);
    outer.direct = direct;
    CHECK(places(outer, [&] { call(outer, x); }) == below);
  }
  const auto old = net.child("list.0.0").replace(std::make_unique<nn::Linear>(3, 5, g));
  CHECK(old->place() == nullptr);
  CHECK(net.child("list.0.0")->place()->path() == "list.0.0");
  CHECK_THROWS(call(net, x));  // 5 features where 3 are wanted
  CHECK(NameScope::path().empty());
}

namespace {

/// Pulls pairs of one class together and pushes others apart, up to a margin.
struct ContrastiveLoss : nn::Module {
  explicit ContrastiveLoss(double margin) : margin(margin) {}
  Tensor forward(const Tensor& a, const Tensor& b, const Tensor& same) {
    const Tensor squared = sum(square(a - b), {1});
    const Tensor gap = relu(margin - sqrt(squared + 1e-12));
    return mean(same * squared + (1 - same) * square(gap));
  }
  const double margin;
};

/// Two views of a sample through the same layers, and the loss between them.
struct Siamese : nn::Module {
  explicit Siamese(Generator& g)
      : body(add<nn::Sequential>("body")), loss(add<ContrastiveLoss>("loss", 2.0)), aside(add<nn::MSELoss>("aside")) {
    body->append<nn::Linear>(4, 16, g).append<nn::BatchNorm1d>(16).append<nn::ReLU>().append<nn::Linear>(16, 2, g);
  }
  std::tuple<Tensor, std::vector<Tensor>> forward(const Tensor& a, const Tensor& b, const Tensor& same) {
    const Tensor u = body(a), v = body(b);
    return {loss(u, v, same) + aside(u, v) * 0.001, {u, v}};
  }
  nn::Child<nn::Sequential> body;
  nn::Child<ContrastiveLoss> loss;
  nn::Child<nn::Loss> aside;
};

}  // namespace

TEST_CASE("a siamese network with a loss as a child") {
  Generator g(4);
  Siamese net(g);
  CHECK(keys(net).front() == "body.0.weight");
  CHECK(net.children().size() == 3);
  const Tensor a = randn({16, 4}, g), same = to(gt(rand({16}, g), full({}, 0.5)), DType::float32);
  const Tensor b = a * reshape(2 * same - 1, {16, 1});
  int hooked = 0;
  net.register_forward_hook([&](const nn::Module&, const auto& in, const auto& out) {
    ++hooked;
    CHECK(in.size() == 3);
    CHECK(out.size() == 3);
  });
  const auto step = [&] { return descend(net, 0.05, std::get<0>(call(net, a, b, same))); };
  const double first = step();
  for (int i = 0; i < 20; ++i) {
    step();
  }
  CHECK(step() < 0.5 * first);
  CHECK(hooked == 22);

  const nn::Summary s = summary(net, [&] { call(net, a, b, same); });
  CHECK(s.layers[0].inputs == Shapes{{16, 4}, {16, 4}, {16}});
  CHECK(s.layers[2].calls == 2);
  CHECK(s.layers[2].macs == 2 * 16 * 16 * 4);
  CHECK(s.layers[6].type == "ContrastiveLoss");
  CHECK(s.layers[6].outputs == Shapes{{}});
  CHECK(concat(s).find("Input [16, 4], [16, 4], [16]; ") != std::string::npos);

  net.aside.slot().replace(std::make_unique<nn::L1Loss>());  // another Loss
  CHECK(std::isfinite(step()));
  net.loss.slot().replace(std::make_unique<nn::L1Loss>());
  CHECK_THROWS_WITH(step(), "Siamese: Child: child 'loss' is a L1Loss, expected a ContrastiveLoss");
}

namespace {

/// Draws points of a class; the second argument is no tensor.
struct Drawer : nn::Module {
  explicit Drawer(Generator& g)
      : embedding(parameter("embedding", randn({2, 3}, g).array())), fc(add<nn::Linear>("fc", 6, 2, g)) {}
  Tensor forward(const Tensor& noise, std::int64_t label) {
    return fc(cat({noise, expand(select(embedding, 0, label), {noise.size(0), 3})}, 1));
  }
  Tensor& embedding;
  nn::Child<nn::Linear> fc;
};

struct Critic : nn::Layer {
  explicit Critic(Generator& g) : fc1(add<nn::Linear>("fc1", 2, 8, g)), fc2(add<nn::Linear>("fc2", 8, 1, g)) {}
  Tensor forward(const Tensor& x) override { return fc2(leaky_relu(fc1(x), 0.2)); }
  nn::Child<nn::Linear> fc1, fc2;
};

struct Pair : nn::Module {
  explicit Pair(Generator& g) : drawer(add<Drawer>("drawer", g)), critic(add<Critic>("critic", g)) {}
  Tensor forward(const Tensor& noise, std::int64_t label) { return critic(drawer(noise, label)); }
  nn::Child<Drawer> drawer;
  nn::Child<Critic> critic;
};

}  // namespace

TEST_CASE("a generator and its discriminator, each trained by its own part of the pair") {
  Generator g(5);
  Pair pair(g);
  CHECK(keys(pair) == Names{"drawer.embedding", "drawer.fc.weight", "drawer.fc.bias", "critic.fc1.weight",
                            "critic.fc1.bias", "critic.fc2.weight", "critic.fc2.bias"});
  const Tensor real = randn({32, 2}, g) * 0.1 + 1.0;
  const Tensor yes = ones({32, 1}), no = zeros({32, 1});
  double fooled = 0;
  for (int i = 0; i < 60; ++i) {
    const Tensor noise = randn({32, 3}, g);
    const Tensor drawn = pair.drawer(noise, 1).detach();
    descend(*pair.critic, 0.1,
            binary_cross_entropy_with_logits(pair.critic(real), yes) +
                binary_cross_entropy_with_logits(pair.critic(drawn), no));
    fooled = descend(*pair.drawer, 0.1, binary_cross_entropy_with_logits(call(pair, noise, 1), yes));
  }
  CHECK(fooled < 1.5);
  const Tensor center = mean(pair.drawer(randn({256, 3}, g), 1), {0});
  CHECK(std::abs(center.to_vector<float>()[0] - 1) < 0.7);
  CHECK(std::abs(center.to_vector<float>()[1] - 1) < 0.7);
  pair.zero_grad();
  CHECK_FALSE(pair.critic->fc1->weight.grad().defined());
  nn::Child<nn::Layer> any = pair.critic;  // a handle on a base
  CHECK(any(real).shape() == Shape{32, 1});
}
