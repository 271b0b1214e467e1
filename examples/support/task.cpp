#include "examples/support/task.hpp"

#include "evenkeel/core/error.hpp"
#include "evenkeel/data/cifar10.hpp"
#include "evenkeel/data/mnist.hpp"
#include "evenkeel/data/synthetic_digits.hpp"

namespace evenkeel::examples {

Task load_task(const std::string& spec, std::uint64_t seed) {
  const std::size_t colon = spec.find(':');
  const std::string name = spec.substr(0, colon);
  const std::string detail = colon == std::string::npos ? "" : spec.substr(colon + 1);
  Task task;
  if (name == "synthetic" && (detail.empty() || detail == "hard")) {
    data::SyntheticDigitsOptions options{.size = 20000, .seed = seed};
    options.difficulty = detail == "hard" ? data::Difficulty::hard : data::Difficulty::normal;
    task.train = std::make_unique<data::SyntheticDigits>(options);
    options.size = 2000;
    options.split = data::Split::test;
    task.test = std::make_unique<data::SyntheticDigits>(options);
    task.mean = {0.5, 0.5, 0.5};
    task.std = {0.25, 0.25, 0.25};
  } else if (name == "mnist" && !detail.empty()) {
    task.train = std::make_unique<data::ArrayDataset>(data::load_mnist(detail, data::Split::train));
    task.test = std::make_unique<data::ArrayDataset>(data::load_mnist(detail, data::Split::test));
    task.mean = {0.1307};
    task.std = {0.3081};
  } else if (name == "cifar10" && !detail.empty()) {
    task.train = std::make_unique<data::ArrayDataset>(data::load_cifar10(detail, data::Split::train));
    task.test = std::make_unique<data::ArrayDataset>(data::load_cifar10(detail, data::Split::test));
    task.mean = {0.4914, 0.4822, 0.4465};
    task.std = {0.2470, 0.2435, 0.2616};
  } else {
    fail("--data", "unknown data set '", spec, "'; expected synthetic, synthetic:hard, mnist:DIR or cifar10:DIR");
  }
  return task;
}

}  // namespace evenkeel::examples
