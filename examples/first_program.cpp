// The first program of the README: trains a small CNN with GroupNorm on drawn digits and prints how many it gets right.
#include <cstdio>
#include <evenkeel/evenkeel.hpp>
#include <iostream>
#include <string_view>

using namespace evenkeel;

int main(int argc, char** argv) {
  if (argc > 1) {  // there are no options
    const bool help = std::string_view(argv[1]) == "--help";
    std::fprintf(help ? stdout : stderr, "first_program: trains for 10 seconds; it takes no arguments\n");
    return help ? 0 : 2;
  }
  Generator generator(0);
  const data::SyntheticDigits train({.size = 4000});
  const data::SyntheticDigits test({.size = 500, .split = data::Split::test});
  data::DataLoader batches(train, {.batch_size = 4, .shuffle = true});
  data::DataLoader test_batches(test, {.batch_size = 100});

  models::SmallCNN model(generator, {.norm = "gn"});
  optim::SGD optimizer(model.parameters(), {.lr = 0.03, .momentum = 0.9});
  std::cout << model << "\n";

  for (int epoch = 0; epoch < 5; ++epoch) {
    for (const auto& batch : batches.epoch(epoch)) {
      optimizer.zero_grad();
      cross_entropy(model(batch.images), batch.labels).backward();
      optimizer.step();
    }
    model.eval();
    double right = 0;
    for (const auto& batch : test_batches.epoch(0)) {
      right += no_grad([&] { return sum(eq(argmax(model(batch.images), 1), batch.labels)).item(); });
    }
    model.train();
    std::printf("epoch %d: %.1f%% right\n", epoch + 1, 100 * right / 500);
  }
}
