#include "core/array.hpp"

#include <evenkeel/evenkeel.hpp>

// A user's project with a folder of its own named core. Fits y = 2x with one Linear layer; exits with 0 if it learned
// that.
int main() {
  using namespace evenkeel;
  Generator generator(0);
  nn::Linear layer(1, 1, generator);
  optim::SGD optimizer(layer.parameters(), {.lr = 0.5});
  const Tensor x = rand({16, 1}, generator);
  const Tensor y = 2 * x;
  for (int step = 0; step < 300; ++step) {
    optimizer.zero_grad();
    mse_loss(layer(x), y).backward();
    optimizer.step();
  }
  const double slope = layer.weight.item();
  const ConvAlgorithmGuard guard(ConvAlgorithm::im2col);  // as the README has it
  const double sum = conv2d(ones({1, 1, 3, 3}), ones({1, 1, 3, 3})).item();
  bool missing_file = false;
  OpProfile profile;
  try {
    load_npy("no such file");
  } catch (const IoError&) {
    missing_file = profile.rows().empty();
  }
  return missing_file && kUsersOwn == 42 && sum == 9 && slope > 1.99 && slope < 2.01 ? 0 : 1;
}
