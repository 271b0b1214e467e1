#include "examples/support/strided_net.hpp"

#include "evenkeel/nn/activation.hpp"
#include "evenkeel/nn/conv.hpp"
#include "evenkeel/nn/flatten.hpp"
#include "evenkeel/nn/linear.hpp"
#include "evenkeel/nn/pool.hpp"

namespace evenkeel::examples {

std::unique_ptr<nn::Sequential> strided_net(Generator& generator, const MakeNorm& make_norm, std::int64_t channels,
                                            std::int64_t classes) {
  auto net = std::make_unique<nn::Sequential>();
  std::int64_t in = channels;
  for (const std::int64_t out : {16, 32, 64, 64}) {
    const nn::Conv2dOptions conv{.kernel_size = 3, .stride = 2, .padding = 1, .bias = false};
    net->append<nn::Conv2d>(in, out, generator, conv).append(make_norm(out)).append<nn::ReLU>();
    in = out;
  }
  net->append<nn::AdaptiveAvgPool2d>(1).append<nn::Flatten>().append<nn::Linear>(in, classes, generator);
  return net;
}

}  // namespace evenkeel::examples
