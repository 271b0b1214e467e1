#pragma once

#include "evenkeel/optim/one_cycle.hpp"

#include <cstdint>
#include <vector>

namespace evenkeel::optim {

/// Goes from the present rate to swa_lr over anneal_epochs epochs and stays there: the rate for weights that are
/// averaged, see training::AveragedModel. In a SequentialLR, too, it begins at the present rate. swa_lr is one value or
/// one per group; anneal_epochs = 0 sets it at once. Computed as a recursion from the present rate:
///   lr = a swa_lr + (1 - a) lr_0, with a = epoch / anneal_epochs, of which Anneal::cos takes (1 - cos(pi a)) / 2
/// Izmailov et al. 2018, arXiv:1803.05407, section 3.2.
class SWALR : public LRScheduler {
 public:
  SWALR(Optimizer& optimizer, std::vector<double> swa_lr, std::int64_t anneal_epochs = 10,
        Anneal anneal_strategy = Anneal::cos);

 protected:
  void restart() override { begin(); }
  double next_lr(std::size_t group) override;

 private:
  double part(std::int64_t epoch) const;

  std::vector<double> swa_lr_;
  std::int64_t anneal_epochs_;
  Anneal anneal_strategy_;
};

}  // namespace evenkeel::optim
