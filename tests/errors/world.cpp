#include "evenkeel/autograd/anomaly.hpp"
#include "evenkeel/autograd/grad_mode.hpp"
#include "evenkeel/autograd/ops.hpp"
#include "evenkeel/core/io/npy.hpp"
#include "evenkeel/core/io/safetensors.hpp"
#include "evenkeel/core/parallel.hpp"
#include "evenkeel/training/checkpoint.hpp"
#include "tests/errors/wrong_calls.hpp"

#include <filesystem>
#include <fstream>
#include <iterator>

namespace evenkeel::test {
namespace {

std::string bits(const Array& array) {
  if (!array.defined()) {
    return "undefined";
  }
  const Array whole = array.contiguous();
  const auto* bytes = reinterpret_cast<const char*>(whole.storage()->data()) +
                      static_cast<std::size_t>(whole.offset()) * item_size(whole.dtype());
  return concat(array.dtype(), array.shape()) +
         std::string(bytes, static_cast<std::size_t>(whole.numel()) * item_size(whole.dtype()));
}

std::string bits(const Tensor& t) { return t.defined() ? bits(t.array()) : "undefined"; }

using State = std::map<std::string, std::string>;

void add(State& state, const std::string& name, const NamedArrays& arrays) {
  for (const auto& [key, array] : arrays) {
    state[name + "." + key] = bits(array);
  }
}

void add(State& state, const std::string& name, const Tensor& t) {
  state[name] = bits(t);
  if (t.defined()) {
    state[name + ".grad"] = bits(t.grad());
    state[name + ".version"] = std::to_string(t.array().storage()->version);
    state[name + ".requires_grad"] = std::to_string(t.requires_grad());
  }
}

void add(State& state, const std::string& name, const optim::Optimizer& optimizer) {
  add(state, name, optimizer.state_dict());
  state[name + ".groups"] = std::to_string(optimizer.num_groups());
  for (std::size_t group = 0; group < optimizer.num_groups(); ++group) {
    state[name + ".params"] += std::to_string(optimizer.params(group).size()) + " ";
  }
}

}  // namespace

SmallNet::SmallNet(Generator& g)
    : conv(add<nn::Conv2d>("conv", 3, 4, g, {.kernel_size = 3})),
      norm(add<nn::BatchNorm2d>("norm", 4)),
      dropout(add<nn::Dropout>("dropout", 0.25, g)),
      renorm(add<nn::BatchRenorm2d>("renorm", 4)),
      heads(add<nn::ModuleList>("heads")) {
  heads->append(std::make_unique<nn::Linear>(64, 4, g));
}

Tensor SmallNet::forward(const Tensor& x) {
  return heads->child<nn::Linear>("0")(flatten(renorm(dropout(norm(conv(x)))), 1));
}

World::World()
    : sgd(net.named_parameters(), {.lr = 0.1, .momentum = 0.9}),
      adam(net.named_parameters(), {.lr = 0.1}),
      schedule(sgd, 2),
      x(random({2, 3, 6, 6}, 1, DType::float32)),
      x64(random({2, 3, 6, 6}, 2)),
      leaf(random({4, 3}, 3)),
      labels(Array::from(std::vector<std::int64_t>{0, 3}, {2})) {
  leaf.requires_grad_();
  for (int step = 0; step < 2; ++step) {
    sgd.zero_grad();
    cross_entropy(net(x), labels).backward();
    sgd.step();
    adam.step();
    schedule.step();
  }
  sum(leaf * leaf).backward();
  net.register_forward_hook([](const auto&, const auto&, const auto&) {});
  loader.start_epoch(0);
  save_safetensors(file("weights.safetensors"), net.state_dict());
  training::save_checkpoint(file("adam.safetensors"), {.model = net, .optimizer = adam});
  save_npy(file("x.npy"), x.array());
  std::ofstream(file("text.npy")) << "no array";
}

State World::state() {
  State now;
  add(now, "net", net.state_dict());
  add(now, "net.generators", net.generator_state());
  for (const auto& [name, parameter] : net.named_parameters()) {
    add(now, "parameter." + name, parameter);
  }
  for (const auto& [name, module] : net.named_modules()) {
    now["training." + name] = concat(module->type_name(), module->training(), module->has_forward_hooks(), *module);
  }
  add(now, "sgd", sgd);
  add(now, "adam", adam);
  add(now, "schedule", schedule.state_dict());
  now["generator"] = concat(generator.state().seed, " ", generator.state().counter);
  for (const auto& [name, tensor] :
       {std::pair("x", x), std::pair("x64", x64), std::pair("leaf", leaf), std::pair("labels", labels)}) {
    add(now, name, tensor);
  }
  for (const auto& entry : std::filesystem::directory_iterator(folder.path())) {
    std::ifstream in(entry.path(), std::ios::binary);
    now["file." + entry.path().filename().string()] = {std::istreambuf_iterator<char>(in), {}};
  }
  now["settings"] = concat(grad_enabled(), anomaly_enabled(), num_threads(), " ", NameScope::path());
  return now;
}

}  // namespace evenkeel::test
