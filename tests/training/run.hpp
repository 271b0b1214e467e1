#pragma once

// A training run of a few steps, with everything in it that a checkpoint has to carry.

#include "evenkeel/autograd/engine.hpp"
#include "evenkeel/autograd/ops/arithmetic.hpp"
#include "evenkeel/autograd/ops/loss.hpp"
#include "evenkeel/data/fake_data.hpp"
#include "evenkeel/models/registry.hpp"
#include "evenkeel/nn/container.hpp"
#include "evenkeel/nn/dropout.hpp"
#include "evenkeel/optim/adam.hpp"
#include "evenkeel/optim/cyclic_lr.hpp"
#include "evenkeel/optim/lamb.hpp"
#include "evenkeel/optim/lion.hpp"
#include "evenkeel/optim/nadam.hpp"
#include "evenkeel/optim/one_cycle.hpp"
#include "evenkeel/optim/reduce_lr_on_plateau.hpp"
#include "evenkeel/optim/rmsprop.hpp"
#include "evenkeel/optim/sequential_lr.hpp"
#include "evenkeel/optim/sgd.hpp"
#include "evenkeel/optim/swa_lr.hpp"
#include "evenkeel/optim/warm_restarts.hpp"
#include "evenkeel/training/checkpoint.hpp"
#include "evenkeel/training/param_groups.hpp"
#include "tests/support/temporary_folder.hpp"

#include <cstring>
#include <memory>
#include <string>
#include <vector>

namespace evenkeel::test {

/// What two runs agree in, if one is to go on where the other stopped.
struct RunSetup {
  std::string model = "small_cnn", norm = "bn";
  DType dtype = DType::float32;
  int optimizer = 0;  ///< see make_optimizer
  int schedule = 0;   ///< see add_schedule
  data::LastBatch last_batch = data::LastBatch::merge;
  std::int64_t prefetch = 2;
};
constexpr int kOptimizers = 5, kSchedules = 10, kNoSchedule = -1;
constexpr int kMoreOptimizers = 10, kMoreSchedules = 16;  // those that came later included

/// What a state is made of: names with dtype, shape and bytes.
using Bits = std::vector<std::string>;

inline void add_bits(Bits& bits, const std::string& prefix, const NamedArrays& arrays) {
  for (const auto& [name, value] : arrays) {
    const Array array = value.contiguous();
    const auto bytes = static_cast<std::size_t>(array.numel()) * item_size(array.dtype());
    bits.push_back(concat(prefix, name, " ", array.dtype(), array.shape(), " ") +
                   std::string(reinterpret_cast<const char*>(array.raw()), bytes));
  }
}

class Run {
 public:
  /// Two runs of other seeds have other weights, masks, orders, augmentation and noise.
  Run(const RunSetup& setup, std::uint64_t seed, double lr = 0.05)
      : generator_(seed),
        set_(11, {3, 8, 8}, 10, 1),
        loader(set_, {.batch_size = 4,
                      .shuffle = true,
                      .seed = seed,
                      .last_batch = setup.last_batch,
                      .augmentation = {.crop_padding = 1, .horizontal_flip = true},
                      .prefetch = setup.prefetch}),
        noise(seed + 1) {
    net.append<nn::Dropout>(0.1, generator_);
    net.append(
        models::make_model(setup.model, generator_,
                           {.input_size = 8, .norm = setup.norm, .norm_options = {.rmax = 2, .warmup_steps = 2}}));
    net.to(setup.dtype);
    make_optimizer(setup.optimizer, lr);
    add_schedule(setup.schedule);
    metrics.columns = {"step", "loss"};
    entries.texts["who"] = concat("seed ", seed);
    entries.arrays = {{"sum", Array::zeros({2}, DType::float64)}};
  }

  training::TrainingState state() {
    training::TrainingState all{.model = net,
                                .optimizer = *optimizer,
                                .schedulers = {},
                                .loader = &loader,
                                .generators = {{"noise", &noise}},
                                .entries = &entries,
                                .metrics = &metrics};
    for (const auto& schedule : schedules) {
      all.schedulers.emplace_back(*schedule);
    }
    if (plateau) {
      all.schedulers.emplace_back(*plateau);
    }
    return all;
  }

  /// Some steps, from wherever the loader is.
  void train(int steps) {
    for (int i = 0; i < steps; ++i) {
      const auto [epoch, next] = loader.position();
      if (next == 0) {
        loader.start_epoch(epoch);
      }
      const auto batch = loader.next();
      const Tensor shift(random_normal(batch->images.shape(), noise, 0, 0.01));
      optimizer->zero_grad();
      const Tensor loss = cross_entropy(net((batch->images + shift).to(net.parameters()[0].dtype())), batch->labels);
      loss.backward();
      optimizer->step();
      for (const auto& schedule : schedules) {
        schedule->step();
      }
      if (plateau) {
        plateau->step(loss.item());
      }
      entries.arrays[0].second.mutable_data<double>()[metrics.rows.size() % 2] += loss.item();
      metrics.rows.push_back({static_cast<double>(metrics.rows.size()), loss.item()});
    }
  }

  /// Where two states differ first; empty if nowhere.
  static std::string difference(const Bits& a, const Bits& b) {
    for (std::size_t i = 0; i < std::max(a.size(), b.size()); ++i) {
      const std::string left = i < a.size() ? a[i] : "", right = i < b.size() ? b[i] : "";
      if (left != right) {
        return concat("'", left.substr(0, left.find(' ')), "' and '", right.substr(0, right.find(' ')), "'");
      }
    }
    return "";
  }

  /// All that a run is made of.
  Bits bits() {
    Bits all;
    add_bits(all, "model.", net.state_dict());
    add_bits(all, "generators.", net.generator_state());
    add_bits(all, "optimizer.", optimizer->state_dict());
    for (const training::Stateful& schedule : state().schedulers) {
      add_bits(all, "schedule.", schedule.state_dict());
    }
    add_bits(all, "loader.", loader.state_dict());
    add_bits(all, "noise", {{"", state_array(noise)}});
    add_bits(all, "entries.", entries.arrays);
    for (const auto& [name, text] : entries.texts) {
      all.push_back(name + text);
    }
    for (const std::vector<double>& row : metrics.rows) {
      add_bits(all, "metrics", {{"", Array::from(row, {std::ssize(row)})}});
    }
    return all;
  }

 private:
  Generator generator_;
  data::FakeData set_;

  void make_optimizer(int which, double lr) {
    const auto params = net.named_parameters();
    if (which == 0) {
      optimizer = std::make_unique<optim::SGD>(params, optim::SGDOptions{.lr = lr, .momentum = 0.9});
    } else if (which == 1) {
      optimizer = std::make_unique<optim::SGD>(
          params, optim::SGDOptions{.lr = lr, .momentum = 0.8, .weight_decay = 1e-3, .nesterov = true});
    } else if (which == 2) {
      optimizer = std::make_unique<optim::Adam>(params, optim::AdamOptions{.lr = lr / 10});
    } else if (which == 3) {
      optimizer = std::make_unique<optim::AdamW>(params, optim::AdamWOptions{.lr = lr / 10, .amsgrad = true});
    } else if (which == 4) {
      optimizer = std::make_unique<optim::SGD>(params, optim::SGDOptions{.lr = lr});
    } else if (which == 5) {
      optimizer = std::make_unique<optim::RMSprop>(
          params, optim::RMSpropOptions{.lr = lr / 10, .momentum = 0.9, .centered = true});
    } else if (which == 6) {
      optimizer = std::make_unique<optim::NAdam>(params, optim::NAdamOptions{.lr = lr / 10});
    } else if (which == 7) {
      optimizer = std::make_unique<optim::Lion>(params, optim::LionOptions{.lr = lr / 100, .weight_decay = 0.1});
    } else if (which == 8) {
      optimizer =
          std::make_unique<optim::LAMB>(training::param_groups_without_decay(net, optim::LAMBOptions{.lr = lr / 10}));
    } else {
      optimizer = std::make_unique<optim::SGD>(
          params, optim::SGDOptions{.lr = lr, .momentum = 0.9, .weight_decay = 0.1, .decoupled_weight_decay = true});
    }
  }

  template <class T, class... Args>
  std::shared_ptr<T> schedule(Args&&... args) {
    auto made = std::make_shared<T>(*optimizer, std::forward<Args>(args)...);
    schedules.push_back(made);
    return made;
  }

  void add_more_schedule(int which) {
    using namespace optim;
    switch (which) {
      case 10:
        schedule<PolynomialLR>(9, 0.5);
        break;
      case 11:
        schedule<MultiplicativeLR>([](std::int64_t epoch) { return 1 - 0.1 / static_cast<double>(epoch); });
        break;
      case 12:
        schedule<CosineAnnealingWarmRestarts>(2, 2, 1e-4);
        break;
      case 13:
        schedule<CyclicLR>(CyclicOptions{.base_lr = {0.001}, .max_lr = {0.01}, .step_size_up = 2});
        break;
      case 14:
        schedules.push_back(std::make_shared<ChainedScheduler>(
            *optimizer, std::vector<std::shared_ptr<LRScheduler>>{std::make_shared<ConstantLR>(*optimizer, 0.5, 3),
                                                                  std::make_shared<ExponentialLR>(*optimizer, 0.9)}));
        break;
      default:
        schedule<SWALR>(std::vector{0.001}, 4);
    }
  }

  void add_schedule(int which) {
    using namespace optim;
    if (which >= kSchedules) {
      return add_more_schedule(which);
    }
    switch (which) {
      case kNoSchedule:
        break;
      case 0:
        schedule<StepLR>(2, 0.5);
        break;
      case 1:
        schedule<MultiStepLR>(std::vector<std::int64_t>{1, 4}, 0.3);
        break;
      case 2:
        schedule<ExponentialLR>(0.9);
        break;
      case 3:
        schedule<CosineAnnealingLR>(5, 1e-4);
        break;
      case 4:
        schedule<LinearLR>(0.25, 1.0, 5);
        break;
      case 5:
        schedule<ConstantLR>(0.5, 4);
        break;
      case 6:
        schedule<LambdaLR>([](std::int64_t epoch) { return 1.0 / static_cast<double>(1 + epoch); });
        break;
      case 7:
        if (optimizer->has_option("momentum") && optimizer->option(0, "momentum") == 0) {
          schedule<OneCycleLR>(OneCycleOptions{.max_lr = {0.1}, .total_steps = 12, .cycle_momentum = false});
        } else {
          schedule<OneCycleLR>(OneCycleOptions{.max_lr = {0.1}, .total_steps = 12});
        }
        break;
      case 8:
        schedules.push_back(warmup(*optimizer, 4, std::make_shared<StepLR>(*optimizer, 1, 0.5), 0.25));
        break;
      default:
        schedule<ExponentialLR>(0.95);
        plateau = std::make_unique<ReduceLROnPlateau>(*optimizer, PlateauOptions{.factor = 0.5, .patience = 1});
    }
  }

 public:
  nn::Sequential net;
  std::unique_ptr<optim::Optimizer> optimizer;
  std::vector<std::shared_ptr<optim::LRScheduler>> schedules;
  std::unique_ptr<optim::ReduceLROnPlateau> plateau;
  data::DataLoader loader;
  Generator noise;
  training::Entries entries;
  training::Metrics metrics;
};

}  // namespace evenkeel::test
