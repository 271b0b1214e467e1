#pragma once

#include "evenkeel/data/data_loader.hpp"
#include "evenkeel/data/fake_data.hpp"
#include "evenkeel/nn/container.hpp"
#include "evenkeel/nn/conv.hpp"
#include "evenkeel/nn/dropout.hpp"
#include "evenkeel/nn/linear.hpp"
#include "evenkeel/nn/norm/batch_norm.hpp"
#include "evenkeel/nn/norm/batch_renorm.hpp"
#include "evenkeel/optim/adam.hpp"
#include "evenkeel/optim/lr_scheduler.hpp"
#include "evenkeel/optim/sgd.hpp"
#include "tests/support/temporary_folder.hpp"
#include "tests/support/values.hpp"

#include <functional>
#include <map>
#include <string>
#include <typeinfo>
#include <vector>

namespace evenkeel::test {

/// Conv2d, BatchNorm2d, dropout, BatchRenorm2d, and a Linear behind a list.
struct SmallNet : nn::Layer {
  explicit SmallNet(Generator& g);
  Tensor forward(const Tensor& x) override;

  nn::Child<nn::Conv2d> conv;
  nn::Child<nn::BatchNorm2d> norm;
  nn::Child<nn::Dropout> dropout;
  nn::Child<nn::BatchRenorm2d> renorm;
  nn::Child<nn::ModuleList> heads;
};

/// What wrong calls are made on and must leave as it is: a network in the middle of its training, both optimizers with
/// state, a schedule, a generator, a loader, files and tensors.
struct World {
  World();

  /// All that can be asked of it, by name: bits of tensors, states, options, modes, hooks, files, settings.
  std::map<std::string, std::string> state();
  std::string file(const std::string& name) const { return (folder / name).string(); }

  TemporaryFolder folder;
  Generator generator{7};
  SmallNet net{generator};
  optim::SGD sgd;
  optim::Adam adam;
  optim::StepLR schedule;
  data::FakeData images{6, {3, 6, 6}, 4};
  data::DataLoader loader{images, {.batch_size = 2, .prefetch = 0}};
  Tensor x, x64, leaf, labels, undefined;
};

/// One call that must throw an `error` whose text is, or with ... at its end begins with, `text`; the world's folder
/// stands there as DIR.
struct WrongCall {
  const std::type_info* error;
  std::string text;
  std::function<void(World&)> call;
};
using WrongCalls = std::vector<WrongCall>;

template <class E, class Call>
WrongCall wrong(std::string text, Call call) {
  return {&typeid(E), std::move(text), [call](World& w) { static_cast<void>(call(w)); }};
}

WrongCalls wrong_arrays();
WrongCalls wrong_ops();
WrongCalls wrong_index_ops();
WrongCalls wrong_pointwise();
WrongCalls wrong_losses();
WrongCalls wrong_pools();
WrongCalls wrong_window_ops();
WrongCalls wrong_layers();
WrongCalls wrong_norms();
WrongCalls wrong_modules();
WrongCalls wrong_optimizers();
/// Part of those: the options.
WrongCalls wrong_options_of_training();
WrongCalls wrong_files();

}  // namespace evenkeel::test
