// What the GroupNorm note shows, beside the figures that it prints.
//
// GroupNorm(G, C): each sample's C channels form G groups; y = (x - mean) / sqrt(var + 1e-5) * weight + bias with the
// mean and variance of a group over its channels and space. Wu & He 2018, arXiv:1803.08494.
//
// Expect: shapes kept; output means below 1e-7 for GN(1) and GN(C); the note's table of groups exactly; and, in the
// last part, four losses above ln 10 = 2.3026, within 0.04 of the note's four. Exits with 1 if not. About 5 seconds.

#include "evenkeel/autograd/ops.hpp"
#include "evenkeel/data/data_loader.hpp"
#include "evenkeel/data/fake_data.hpp"
#include "evenkeel/models/small_cnn.hpp"
#include "evenkeel/nn/norm/group_norm.hpp"
#include "evenkeel/optim/sgd.hpp"
#include "examples/support/checks.hpp"
#include "examples/support/command_line.hpp"
#include "examples/support/text.hpp"
#include "examples/support/trainer.hpp"

#include <cmath>
#include <cstdio>
#include <sstream>

using namespace evenkeel;
using namespace evenkeel::examples;

namespace {

void shapes(Generator& generator, Checks& checks) {
  const Tensor x = randn({2, 8, 4, 4}, generator);
  nn::GroupNorm norm(4, 8);
  const Tensor y = norm(x);
  std::ostringstream text;
  text << x.shape() << " -> " << norm << " -> " << y.shape();
  say("Shapes (the note's section 3)\n  %s\n", text.str().c_str());
  checks.expect(y.shape() == x.shape(), "the shape stays");
}

/// The largest distance of a group's mean from 0 and of its variance from v / (v + eps).
double group_error(const Tensor& x, const Tensor& y, std::int64_t groups) {
  const Shape by_group = {x.size(0), groups, x.numel() / x.size(0) / groups};
  const Tensor a = to(reshape(x, by_group), DType::float64), b = to(reshape(y, by_group), DType::float64);
  const Tensor v = var(a, {2}, 0);
  return std::max(max(abs(mean(b, {2}))).item(), max(abs(var(b, {2}, 0) - v / (v + 1e-5))).item());
}

void means(Generator& generator, Checks& checks) {
  say("\nMean of sample 0 (section 4)        here          note\n");
  const std::int64_t channels = 8;
  const Tensor x = randn({2, channels, 4, 4}, generator);
  struct Row {
    std::int64_t groups;
    const char* label;
    double note;
  };
  double worst_mean = 0, worst_group = 0;
  for (const Row& row : {Row{1, "GN(1), like LayerNorm", 1.862645149230957e-09},
                         Row{channels, "GN(C), like InstanceNorm", 2.2351741790771484e-08}}) {
    nn::GroupNorm norm(row.groups, channels);
    const Tensor y = norm(x);
    const double m = mean(to(select(y, 0, 0), DType::float64)).item();
    say("  %-26s %13.3e %13.3e\n", row.label, m, row.note);
    worst_mean = std::max(worst_mean, std::abs(m));
    worst_group = std::max(worst_group, group_error(x, y, row.groups));
  }
  checks.expect(worst_mean < 1e-7, "both are 0 up to float32 rounding, as the note's are");
  checks.expect(worst_group < 2e-6, "each group has mean 0 and variance v / (v + eps)");
  say("  The digits themselves are rounding errors of other random numbers: only their size compares.\n");
}

void choice(Checks& checks) {
  say("\nGroups for C channels (section 5)\n    C  here  note\n");
  bool same = true;
  const std::vector<std::pair<std::int64_t, std::int64_t>> note = {{24, 8},   {32, 32},  {48, 16},  {64, 32}, {96, 32},
                                                                   {128, 32}, {160, 32}, {192, 32}, {256, 32}};
  for (const auto& [channels, groups] : note) {
    const std::int64_t chosen = nn::choose_gn_groups(channels);
    say("  %3d  %4d  %4d\n", static_cast<int>(channels), static_cast<int>(chosen), static_cast<int>(groups));
    same = same && chosen == groups;
  }
  checks.expect(same, "choose_gn_groups gives the note's table");
}

data::DataLoader make_loader(const data::Dataset& images, std::int64_t batch_size, std::uint64_t seed) {
  return data::DataLoader(images, {.batch_size = batch_size, .shuffle = true, .seed = seed});
}

/// Mean loss of one epoch, each image seen once, with the note's optimizer and rate.
double one_epoch(nn::Layer& model, data::DataLoader& loader, double lr = 0.01) {
  optim::SGD optimizer(model.parameters(), {.lr = lr, .momentum = 0.9});
  return train_epoch(model, optimizer, loader, 0).loss;
}

double one_epoch_from(std::uint64_t seed, const char* norm, std::int64_t batch_size) {
  const data::FakeData images(512, {3, 32, 32}, 10, seed);
  data::DataLoader loader = make_loader(images, batch_size, seed);
  Generator generator(seed);
  models::SmallCNN model(generator, {.norm = norm});
  return one_epoch(model, loader);
}

void losses(int seeds, Checks& checks) {
  say("\nLoss of one epoch on 512 images with random labels (section 7)\n");
  say("  batch  norm   mean of %d seeds   smallest    largest      note\n", seeds);
  struct Row {
    std::int64_t batch;
    const char* norm;
    double note;
  };
  const double chance = std::log(10.0);
  bool possible = true, near = true;
  for (const Row& row : {Row{2, "bn", 2.4127}, Row{2, "gn", 2.4428}, Row{16, "bn", 2.3237}, Row{16, "gn", 2.3522}}) {
    double sum = 0, smallest = INFINITY, largest = 0;
    for (int seed = 0; seed < seeds; ++seed) {
      const double loss = one_epoch_from(static_cast<std::uint64_t>(seed), row.norm, row.batch);
      sum += loss;
      smallest = std::min(smallest, loss);
      largest = std::max(largest, loss);
    }
    say("  %5d  %-4s %17.4f %10.4f %10.4f %9.4f\n", static_cast<int>(row.batch), row.norm, sum / seeds, smallest,
        largest, row.note);
    possible = possible && smallest > chance - 0.02;
    near = near && std::abs(sum / seeds - row.note) < 0.04;
  }
  checks.expect(possible, "no loss is below chance, ln 10 = 2.3026 (less 0.02 of sampling noise)");
  checks.expect(near, "each mean is within 0.04 of the note's single run");
  say("  The labels are random and every image is seen once, before its label is used: no network can expect less "
      "than ln 10 here. The table shows how far the steps throw each network off, most at batch 2, where one epoch "
      "has 8 times the steps; which norm learns better it cannot show. `quickstart` asks that with real labels.\n");
}

int run(int argc, char** argv) {
  CommandLine line("Prints what the GroupNorm note shows, beside the note's own figures.");
  int seeds = 6;
  line.add("--seeds", seeds, "runs per loss").positive();
  line.example("group_norm_demo --seeds 1");
  if (!line.parse(argc, argv)) {
    return 0;
  }
  Checks checks;
  Generator generator(42);
  shapes(generator, checks);
  means(generator, checks);
  choice(checks);
  losses(seeds, checks);
  return checks.exit_code();
}

}  // namespace

int main(int argc, char** argv) { return run_program("group_norm_demo", run, argc, argv); }
