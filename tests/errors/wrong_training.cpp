// Wrong calls on modules, optimizers, schedules, loaders and files.

#include "evenkeel/autograd/ops.hpp"
#include "evenkeel/core/io/npy.hpp"
#include "evenkeel/core/io/safetensors.hpp"
#include "evenkeel/data/array_dataset.hpp"
#include "evenkeel/data/cifar10.hpp"
#include "evenkeel/data/mnist.hpp"
#include "evenkeel/nn/clone.hpp"
#include "evenkeel/nn/flatten.hpp"
#include "evenkeel/nn/norm/group_norm.hpp"
#include "evenkeel/nn/parametrize.hpp"
#include "evenkeel/optim/clip_grad.hpp"
#include "evenkeel/optim/one_cycle.hpp"
#include "evenkeel/optim/reduce_lr_on_plateau.hpp"
#include "evenkeel/optim/sequential_lr.hpp"
#include "evenkeel/training/checkpoint.hpp"
#include "tests/errors/wrong_calls.hpp"

#include <limits>
#include <stdexcept>

namespace evenkeel::test {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

template <class Call>
auto act(Call call) {
  return [call](World& w) {
    call(w);
    return 0;
  };
}

/// A copy of the network's state with one entry changed by `change`.
template <class Change>
nn::StateDict changed(World& w, const Change& change) {
  nn::StateDict state;
  for (const auto& [name, value] : w.net.state_dict()) {
    state.emplace_back(name, value.clone());
  }
  for (auto& [name, value] : state) {
    value.fill_(value.dtype() == DType::int64 ? 7 : 0.5);  // so that a half-done load shows
  }
  change(state);
  return state;
}

template <class Scheduler, class... Args>
auto schedule(Args... args) {
  return [=](World& w) { return Scheduler(w.adam, args...).last_epoch(); };
}

WrongCalls wrong_states() {
  return {
      wrong<ValueError>("load_state_dict: Error(s) in loading state_dict for SmallNet:\n\tMissing key(s) in "
                        "state_dict: \"conv.weight\", \"conv.bias\"...",
                        [](World& w) { return w.net.load_state_dict({}).missing.size(); }),
      wrong<ValueError>("load_state_dict: Error(s) in loading state_dict for SmallNet:\n\tsize mismatch for "
                        "heads.0.bias: copying a param with shape [3]...",
                        [](World& w) {
                          return w.net.load_state_dict(changed(w, [](auto& s) { s.back().second = Array::ones({3}); }))
                              .missing.size();
                        }),
      wrong<ValueError>(
          "load_state_dict: Error(s) in loading state_dict for SmallNet:\n\tUnexpected key(s) in state_dict: \"more\".",
          [](World& w) {
            return w.net.load_state_dict(changed(w, [](auto& s) { s.emplace_back("more", Array::ones({3})); }))
                .missing.size();
          }),
      wrong<ValueError>("load_state_dict: Error(s) in loading state_dict for SmallNet:\n\tdtype mismatch for "
                        "heads.0.bias: copying a param of float64...",
                        [](World& w) {
                          return w.net
                              .load_state_dict(
                                  changed(w, [](auto& s) { s.back().second = s.back().second.to(DType::float64); }))
                              .missing.size();
                        }),
      wrong<ValueError>(
          "load_state_dict: Error(s) in loading state_dict for SmallNet:\n\tundefined value for heads.0.bias.",
          [](World& w) {
            return w.net.load_state_dict(changed(w, [](auto& s) { s.back().second = Array(); })).missing.size();
          }),
      wrong<ValueError>("load_generator_state: got 0 generators, SmallNet has 1",
                        act([](World& w) { w.net.load_generator_state({}); })),
      wrong<ValueError>("load_generator_state: no state for...", act([](World& w) {
                          w.net.load_generator_state({{"other", Array::zeros({2}, DType::int64)}});
                        })),
      wrong<ValueError>("load_generator_state: 'dropout.generator' must be an int64 array of shape [2]",
                        act([](World& w) {
                          w.net.load_generator_state({{"dropout.generator", Array::zeros({2})}});
                        })),
      wrong<IndexError>("child: SmallNet has no child named 'nrom'; it has...",
                        [](World& w) { return w.net.child("nrom").path(); }),
      wrong<IndexError>("get_parameter: Conv2d has no attribute 'wieght' (asked for 'conv.wieght')",
                        [](World& w) { return w.net.get_parameter("conv.wieght"); }),
      wrong<ValueError>("get_parameter: 'norm.running_mean' of SmallNet is a buffer, not a parameter",
                        [](World& w) { return w.net.get_parameter("norm.running_mean"); }),
      wrong<ValueError>("Child: child 'norm' is a BatchNorm2d, expected a GroupNorm",
                        [](World& w) { return w.net.child<nn::GroupNorm>("norm")->training(); }),
      wrong<ValueError>("Slot::replace: child 'norm' needs a layer, got nullptr",
                        [](World& w) { return w.net.child("norm").replace(nullptr) == nullptr; }),
      wrong<ValueError>("clone: SmallNet must override clone_structure(), got none; write: ...",
                        [](World& w) { return nn::clone(w.net)->training(); }),
      wrong<ValueError>(
          "register_parametrization: Module 'Conv2d' does not have a parameter with name 'wieght'",
          act([](World& w) { nn::register_parametrization(*w.net.conv, "wieght", std::make_unique<nn::Flatten>()); })),
      wrong<ShapeError>(
          "register_parametrization: Registering a parametrization may not change the shape of the tensor, "
          "expected [4, 3, 3, 3], got [4, 27]",
          act([](World& w) { nn::register_parametrization(*w.net.conv, "weight", std::make_unique<nn::Flatten>()); })),
      wrong<StateError>("Conv2d: the weight has no parametrization to remove",
                        act([](World& w) { nn::remove_parametrization(*w.net.conv); })),
      wrong<StateError>("Conv2d: the bias has no parametrization",
                        act([](World& w) { nn::set_parametrized(*w.net.conv, "bias", w.x); })),
      wrong<DtypeError>("Module::to: only accepts floating point dtypes, but got desired dtype=int64",
                        act([](World& w) { w.net.to(DType::int64); })),
      wrong<IndexError>("ModuleList: index 1 is out of range; there are 1 children",
                        [](World& w) { return (*w.net.heads)[1]->training(); }),
      wrong<std::runtime_error>("thrown by apply", act([](World& w) {
                                  w.net.apply([](nn::Module&) { throw std::runtime_error("thrown by apply"); });
                                })),
  };
}

WrongCalls wrong_steps() {
  return {
      wrong<ValueError>("SGD: parameter group didn't specify a value of required optimization parameter lr",
                        [](World& w) { return optim::SGD({w.leaf}, {}).num_groups(); }),
      wrong<ValueError>("SGD: lr must be at least 0, got -1",
                        [](World& w) { return optim::SGD({w.leaf}, {.lr = -1}).num_groups(); }),
      wrong<ValueError>("SGD: lr must be finite, got inf",
                        [](World& w) { return optim::SGD({w.leaf}, {.lr = kInfinity}).num_groups(); }),
      wrong<ValueError>("SGD: momentum must be at least 0, got -1",
                        [](World& w) { return optim::SGD({w.leaf}, {.lr = 1, .momentum = -1}).num_groups(); }),
      wrong<ValueError>("SGD: weight_decay must be at least 0, got nan",
                        [](World& w) { return optim::SGD({w.leaf}, {.lr = 1, .weight_decay = kNaN}).num_groups(); }),
      wrong<ValueError>("SGD: Nesterov momentum requires a momentum and zero dampening",
                        [](World& w) { return optim::SGD({w.leaf}, {.lr = 1, .nesterov = true}).num_groups(); }),
      wrong<ValueError>("SGD: optimizer got an empty parameter list",
                        [](World&) { return optim::SGD(std::vector<Tensor>{}, {.lr = 1}).num_groups(); }),
      wrong<ValueError>("SGD: can't optimize an undefined tensor",
                        [](World& w) { return optim::SGD({w.undefined}, {.lr = 1}).num_groups(); }),
      wrong<DtypeError>("SGD: can't optimize a tensor of int64 (shape [2]), expected float32 or float64",
                        [](World& w) { return optim::SGD({w.labels}, {.lr = 1}).num_groups(); }),
      wrong<ValueError>("SGD: can't optimize a non-leaf Tensor (made by mul, shape [4, 3])",
                        [](World& w) { return optim::SGD({w.leaf * 2.0}, {.lr = 1}).num_groups(); }),
      wrong<ValueError>("SGD: optimizer contains a parameter group with duplicate parameters (shape [4, 3])",
                        [](World& w) {
                          return optim::SGD({w.leaf, w.leaf}, {.lr = 1}).num_groups();
                        }),
      wrong<ValueError>("SGD: some parameters appear in more than one parameter group (shape...", act([](World& w) {
                          w.sgd.add_param_group({{w.net.conv->weight}, {.lr = 1}});
                        })),
      wrong<ValueError>("SGD: lr must be finite, got nan", act([](World& w) { w.sgd.set_lr(0, kNaN); })),
      wrong<IndexError>("SGD: there is no parameter group 3, there are 1", act([](World& w) { w.sgd.set_lr(3, 1); })),
      wrong<IndexError>("SGD: there is no option 'beta1'", [](World& w) { return w.sgd.option(0, "beta1"); }),
      wrong<IndexError>("SGD: there is no option 'beta1'", act([](World& w) { w.sgd.set_option(0, "beta1", 1); })),
      wrong<ValueError>("Adam: beta1 must lie in [0, 1), got 1",
                        [](World& w) { return optim::Adam({w.leaf}, {.beta1 = 1}).num_groups(); }),
      wrong<ValueError>("Adam: eps must be at least 0, got -1",
                        [](World& w) { return optim::Adam({w.leaf}, {.eps = -1}).num_groups(); }),
      wrong<ValueError>("AdamW: beta2 must lie in [0, 1), got nan",
                        [](World& w) { return optim::AdamW({w.leaf}, {.beta2 = kNaN}).num_groups(); }),
      wrong<ValueError>("SGD::load_state_dict: missing key 'param_groups.0.lr'...",
                        act([](World& w) { w.sgd.load_state_dict({}); })),
      wrong<ValueError>("Adam::load_state_dict: missing key 'param_groups.0.beta1'...",
                        act([](World& w) { w.adam.load_state_dict(w.sgd.state_dict()); })),
      wrong<ValueError>("clip_grad_norm_: max_norm must be at least 0, got nan",
                        [](World& w) { return optim::clip_grad_norm_({w.leaf}, kNaN); }),
      wrong<ValueError>("clip_grad_norm_: norm_type must be positive or infinity, got 0",
                        [](World& w) { return optim::clip_grad_norm_({w.leaf}, 1, 0); }),
      wrong<ValueError>("clip_grad_value_: clip_value must be at least 0, got -1",
                        act([](World& w) { optim::clip_grad_value_({w.leaf}, -1); })),
      wrong<ValueError>("adaptive_clip_grad_: clip_factor must be at least 0, got nan",
                        [](World& w) { return optim::adaptive_clip_grad_({w.leaf}, kNaN); }),
  };
}

WrongCalls wrong_schedules() {
  using namespace optim;
  return {
      wrong<ValueError>("StepLR: step_size must be positive, got 0", schedule<StepLR>(0)),
      wrong<ValueError>("StepLR: gamma must be finite, got nan", schedule<StepLR>(1, kNaN)),
      wrong<ValueError>("CosineAnnealingLR: t_max must be positive, got 0", schedule<CosineAnnealingLR>(0)),
      wrong<ValueError>("LinearLR: start_factor must lie in [0, 1], got 2", schedule<LinearLR>(2.0)),
      wrong<ValueError>("LinearLR: total_iters must be at least 0, got -1", schedule<LinearLR>(0.5, 1.0, -1)),
      wrong<ValueError>("ConstantLR: factor must lie in [0, 1], got -1", schedule<ConstantLR>(-1.0)),
      wrong<ValueError>("LambdaLR: there must be 1 functions, got 0",
                        [](World& w) { return LambdaLR(w.adam, std::vector<LambdaLR::Function>{}).last_epoch(); }),
      wrong<ValueError>("LambdaLR: a function is empty",
                        [](World& w) { return LambdaLR(w.adam, LambdaLR::Function()).last_epoch(); }),
      wrong<std::runtime_error>(
          "thrown by a rate",
          [](World& w) {
            return LambdaLR(w.adam, [](std::int64_t) -> double { throw std::runtime_error("thrown by a rate"); })
                .last_epoch();
          }),
      wrong<ValueError>("LRScheduler: the rate of group 0 must be finite, got inf",
                        [](World& w) { return LambdaLR(w.adam, [](std::int64_t) { return kInfinity; }).last_epoch(); }),
      wrong<ValueError>("OneCycleLR: total_steps must be positive, got 0",
                        schedule<OneCycleLR>(OneCycleOptions{.max_lr = {1}})),
      wrong<ValueError>("OneCycleLR: pct_start must lie in [0, 1], got nan",
                        schedule<OneCycleLR>(OneCycleOptions{.max_lr = {1}, .total_steps = 5, .pct_start = kNaN})),
      wrong<ValueError>("OneCycleLR: max_lr must have 1 values, got 2",
                        schedule<OneCycleLR>(OneCycleOptions{.max_lr = {1, 2}, .total_steps = 5})),
      wrong<ValueError>("ReduceLROnPlateau: factor must be below 1, got 1",
                        [](World& w) { return ReduceLROnPlateau(w.adam, {.factor = 1}).state_dict().size(); }),
      wrong<ValueError>("warmup: there is no scheduler to follow",
                        [](World& w) { return warmup(w.adam, 3, nullptr)->last_epoch(); }),
      wrong<ValueError>("LRScheduler::load_state_dict: missing key 'last_epoch'...",
                        act([](World& w) { w.schedule.load_state_dict({}); })),
  };
}

WrongCalls wrong_data() {
  using namespace data;
  return {
      wrong<ValueError>("DataLoader: batch_size must be at least 1, got 0",
                        [](World& w) { return DataLoader(w.images, {.batch_size = 0}).size(); }),
      wrong<ValueError>("DataLoader: prefetch must be at least 0, got -1",
                        [](World& w) { return DataLoader(w.images, {.prefetch = -1}).size(); }),
      wrong<ValueError>("DataLoader: crop_padding must be at least 0, got -1",
                        [](World& w) { return DataLoader(w.images, {.augmentation = {.crop_padding = -1}}).size(); }),
      wrong<ValueError>("DataLoader: std must be positive, got 0",
                        [](World& w) {
                          return DataLoader(w.images, {.mean = {0, 0, 0}, .std = {1, 0, 1}}).size();
                        }),
      wrong<ValueError>("DataLoader::start_epoch: epoch must be at least 0, got -1",
                        act([](World& w) { w.loader.start_epoch(-1); })),
      wrong<StateError>("DataLoader::next: no epoch has begun, call start_epoch() first",
                        [](World& w) { return DataLoader(w.images, {}).next().has_value(); }),
      wrong<IndexError>("FakeData: index 6 is out of range for 6 images",
                        [](World& w) {
                          std::vector<std::uint8_t> image(3 * 6 * 6);
                          return w.images.read(6, image);
                        }),
      wrong<ValueError>("Subset: count must be at least 0, got -1",
                        [](World& w) { return Subset(w.images, -1).size(); }),
      wrong<ValueError>("FakeData: size must be at least 0, got -1", [](World&) { return FakeData(-1).size(); }),
      wrong<ValueError>("ArrayDataset: label 9 of image 0 is out of range...",
                        [](World&) {
                          return ArrayDataset({1}, {9}, {1, 1, 1}, 2).size();
                        }),
      wrong<IoError>("load_mnist: neither...",
                     [](World& w) { return load_mnist(w.folder.path(), Split::test).size(); }),
      wrong<IoError>("load_cifar10: there is no data_batch_1.bin...",
                     [](World& w) { return load_cifar10(w.folder.path(), Split::train).size(); }),
  };
}

}  // namespace

WrongCalls wrong_modules() { return wrong_states(); }

WrongCalls wrong_optimizers() {
  WrongCalls all = wrong_steps();
  for (const WrongCalls& more : {wrong_schedules(), wrong_options_of_training()}) {
    all.insert(all.end(), more.begin(), more.end());
  }
  return all;
}

WrongCalls wrong_checkpoints() {
  const auto part_of = [](World& w) { return training::TrainingState{.model = w.net, .optimizer = w.sgd}; };
  const auto load = [=](const char* name) {
    return act([=](World& w) { training::load_checkpoint(w.file(name), part_of(w)); });
  };
  return {
      wrong<FileError>(
          "load_checkpoint: 'DIR/weights.safetensors' is no training checkpoint (its format is '', expected "
          "'evenkeel training checkpoint')",
          load("weights.safetensors")),
      wrong<IoError>("load_safetensors: cannot open 'DIR/none': No such file or directory", load("none")),
      wrong<FileError>("load_checkpoint: 'DIR/adam.safetensors' does not fit: SGD::load_state_dict: missing key...",
                       load("adam.safetensors")),
      wrong<ValueError>("save_checkpoint: a row of metrics must have 1 values, got 2", act([=](World& w) {
                          training::Metrics metrics{.columns = {"loss"}, .rows = {{1, 2}}};
                          training::TrainingState state = part_of(w);
                          state.metrics = &metrics;
                          training::save_checkpoint(w.file("adam.safetensors"), state);
                        })),
  };
}

WrongCalls wrong_files() {
  WrongCalls all = {
      wrong<IoError>("load_safetensors: cannot open...",
                     [](World& w) { return load_safetensors(w.file("none")).tensors.size(); }),
      wrong<IoError>("load_safetensors: 'DIR' is not a regular file, but a folder",
                     [](World& w) { return load_safetensors(w.folder.path()).tensors.size(); }),
      wrong<IoError>("load_npy: cannot open...", [](World& w) { return load_npy(w.file("none")).numel(); }),
      wrong<FileError>("load_npy: DIR/text.npy: not a .npy file (8 bytes)",
                       [](World& w) { return load_npy(w.file("text.npy")).numel(); }),
      wrong<FileError>("load_npy: DIR/weights.safetensors: not a .npy file (it does not start with \\x93NUMPY)",
                       [](World& w) { return load_npy(w.file("weights.safetensors")).numel(); }),
      wrong<FileError>(
          "load_safetensors: 'DIR/x.npy': the header length 379676406402707 exceeds the limit of 100000000",
          [](World& w) { return load_safetensors(w.file("x.npy")).tensors.size(); }),
      wrong<IoError>("save_npy: cannot write '...", act([](World& w) { save_npy(w.file("none/x.npy"), w.x.array()); })),
      wrong<ValueError>("save_safetensors: duplicate name 'a'", act([](World& w) {
                          save_safetensors(w.file("weights.safetensors"), {{"a", w.x.array()}, {"a", w.x.array()}});
                        })),
      wrong<ValueError>("save_safetensors: ...", act([](World& w) {
                          save_safetensors(w.file("weights.safetensors"), {{"a", Array()}});
                        })),
      wrong<ValueError>("save_safetensors: a name or metadata text is not valid UTF-8", act([](World& w) {
                          save_safetensors(w.file("weights.safetensors"), {{"\xff", w.x.array()}});
                        })),
      wrong<ValueError>(
          "save_safetensors: the metadata 'evenkeel.checksum': '0' would be taken for the file's checksum",
          act([](World& w) {
            save_safetensors(w.file("weights.safetensors"), {{"a", w.x.array()}}, {{"evenkeel.checksum", "0"}});
          })),
      wrong<ValueError>("save_safetensors: the metadata 'b': 'a' would be taken for a second name of the tensor 'a'",
                        act([](World& w) {
                          save_safetensors(w.file("weights.safetensors"), {{"a", w.x.array()}}, {{"b", "a"}});
                        })),
  };
  for (const WrongCalls& more : {wrong_data(), wrong_checkpoints()}) {
    all.insert(all.end(), more.begin(), more.end());
  }
  return all;
}

}  // namespace evenkeel::test
