// The small-batch note as a program: why BatchNorm suffers when a batch is 1 to 8 images, and the note's cures, each
// with a number; figures that the note prints stand beside ours.
//
// The note's own demo (section 10) compares the mean and deviation of what BatchNorm and GroupNorm give, and both are 0
// and 1 by construction. What does differ is how far one sample's output moves with its batch mates: section 10 here
// adds that. Wu & He 2018, arXiv:1803.08494 (GroupNorm); Qiao et al. 2019, arXiv:1903.10520 (weight standardization).
//
// Expect: the note's means and deviations up to rounding; a spread that falls like 1/sqrt(batch) for BatchNorm and is 0
// for GroupNorm; frozen statistics that survive train(); standardized filters; accumulation exact except with
// BatchNorm's batch statistics. Exits with 1 if not. About a second.

#include "evenkeel/models/ws_gn_networks.hpp"
#include "evenkeel/nn/norm/advise.hpp"
#include "evenkeel/nn/norm/convert.hpp"
#include "evenkeel/nn/norm/frozen_batch_norm.hpp"
#include "evenkeel/nn/norm/ws_conv.hpp"
#include "examples/support/checks.hpp"
#include "examples/support/command_line.hpp"
#include "examples/support/text.hpp"
#include "examples/support/trainer.hpp"

#include <algorithm>
#include <cmath>
#include <evenkeel/evenkeel.hpp>
#include <sstream>

using namespace evenkeel;
using namespace evenkeel::examples;

namespace {

double largest(const Tensor& x) { return max(abs(x)).item(); }
/// The note's summ: mean and (biased) standard deviation of all elements.
std::pair<double, double> summ(const Tensor& t) {
  const Tensor t64 = to(t, DType::float64);
  return {mean(t64).item(), std::sqrt(var(t64, {}, 0).item())};
}

template <class T>
std::string text_of(const T& value) {
  std::ostringstream text;
  text << value;
  return text.str();
}

void group_norm_shape(Generator& generator, Checks& checks) {
  say("Section 5: GroupNorm\n");
  nn::GroupNorm norm(32, 64);
  const Tensor y = norm(randn({2, 64, 32, 32}, generator));
  say("  %s on (2, 64, 32, 32) gives %s\n", text_of(norm).c_str(), text_of(y.shape()).c_str());
  checks.expect(y.shape() == Shape({2, 64, 32, 32}), "the note's torch.Size([2, 64, 32, 32])");
}

constexpr const char* kNotesNetwork = R"(SmallBNNet(
  (net): Sequential(
    (0): Conv2d(3, 16, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1), bias=False)
    (1): BatchNorm2d(16, eps=1e-05, momentum=0.1, affine=True, track_running_stats=True)
    (2): ReLU()
    (3): Conv2d(16, 32, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1), bias=False)
    (4): BatchNorm2d(32, eps=1e-05, momentum=0.1, affine=True, track_running_stats=True)
    (5): ReLU()
  )
))";

void freezing(Generator& generator, Checks& checks) {
  say("\nSection 6: freeze_batchnorm_stats on SmallBNNet\n");
  models::SmallBNNet net(generator);
  checks.expect(text_of(net) == kNotesNetwork, "it prints as the note shows it");
  net(randn({4, 3, 8, 8}, generator));
  const std::vector<std::string> frozen = nn::freeze_batchnorm_stats(net);
  net.train();  // what undoes the note's version
  const Tensor& running_mean = net.get_buffer("net.1.running_mean");
  const Tensor& gamma = net.get_parameter("net.1.weight");
  const Tensor mean_before = clone(running_mean.detach()), gamma_before = clone(gamma.detach());
  optim::SGD optimizer(net.parameters(), {.lr = 0.1});
  mean(square(net(randn({1, 3, 8, 8}, generator)))).backward();
  optimizer.step();
  const double moved = largest(running_mean - mean_before), learned = largest(gamma - gamma_before);
  say("  %d layers frozen, train(), one step with a batch of 1: statistics moved by %g, gamma by %.1e\n",
      static_cast<int>(frozen.size()), moved, learned);
  checks.expect(frozen.size() == 2 && moved == 0, "the statistics stay, also after train() (the note's thaw there)");
  checks.expect(learned > 0, "gamma and beta learn");
  nn::unfreeze_batchnorm_stats(net);
  net.train();
  net(randn({4, 3, 8, 8}, generator));
  checks.expect(largest(running_mean - mean_before) > 0, "unfreeze_batchnorm_stats lets them move again");
}

void weight_standardization(Generator& generator, Checks& checks) {
  say("\nSection 7: weight standardization\n");
  models::WS_GN_Block block(3, 64, generator, {.groups = 32});
  const Tensor x = randn({2, 3, 64, 64}, generator);
  const Tensor y = block(x);
  say("  WS_GN_Block(3, 64, groups=32) on (2, 3, 64, 64) gives %s\n", text_of(y.shape()).c_str());
  checks.expect(y.shape() == Shape({2, 64, 64, 64}), "the note's torch.Size([2, 64, 64, 64])");
  nn::WSConv2d& conv = *block.conv;
  const Tensor filters = flatten(to(conv.effective_weight().detach(), DType::float64), 1);
  const double off_mean = largest(mean(filters, {1})), off_deviation = largest(evenkeel::std(filters, {1}) - 1);
  say("  its 64 filters: mean within %.1e of 0, deviation within %.1e of 1\n", off_mean, off_deviation);
  checks.expect(off_mean < 1e-6 && off_deviation < 2e-4,
                "standardized, up to the 1e-5 that the note adds to deviations of about 0.1");
  conv.weight.mutable_array().copy_((conv.weight.detach() * 3 + 0.2).array());
  const double change = largest(block(x) - y);
  say("  weights times 3 plus 0.2: the output moves by %.1e\n", change);
  checks.expect(change < 1e-3, "their scale and offset do not matter");
  models::WS_GN_Block chosen(3, 48, generator);
  std::string error;
  try {
    models::WS_GN_Block(3, 48, generator, {.groups = 32});
  } catch (const ValueError& e) {
    error = e.what();
  }
  say("  48 channels: %s; groups=32: %s\n", text_of(*chosen.gn).c_str(), error.c_str());
  checks.expect(!error.empty(), "32 groups for 48 channels, which the note's min(32, 48) asks for, are refused");
}

/// The note's train_step: zero_grad, forward, backward, clip, step. Returns the gradient's norm before and after.
std::pair<double, double> train_step(nn::Layer& net, optim::Optimizer& optimizer, const Tensor& x, const Tensor& labels,
                                     double max_norm) {
  optimizer.zero_grad();
  cross_entropy(net(x), labels).backward();
  const double before = optim::clip_grad_norm_(net.parameters(), max_norm);
  const double after = optim::clip_grad_norm_(net.parameters(), INFINITY);
  optimizer.step();
  return {before, after};
}

void clipping(Generator& generator, Checks& checks) {
  say("\nSection 8: warm-up of the rate and clipping at norm 1, batches of 2 whose scale jumps\n");
  say("  step      lr   scale  gradient's norm   clipped\n");
  models::SmallBNNetOptions options;
  options.num_classes = 10;
  options.norm = "none";  // nothing holds the scale
  models::SmallBNNet net(generator, options);
  optim::SGD optimizer(net.parameters(), {.lr = 0.1, .momentum = 0.9});
  auto schedule = optim::warmup(optimizer, 4, std::make_shared<optim::ConstantLR>(optimizer, 1.0, 0), 0.1);
  bool held = true, needed = false;
  for (const int scale : {1, 1, 30, 1, 100, 1}) {
    const double lr = optimizer.lr();
    const Tensor x = randn({2, 3, 16, 16}, generator) * scale;
    const auto [before, after] = train_step(net, optimizer, x, randint(0, 10, {2}, generator), 1.0);
    schedule->step();
    say("  %4d  %6.3f  %6d %16.3f %9.3f\n", static_cast<int>(schedule->last_epoch()), lr, scale, before, after);
    held = held && std::abs(after - std::min(before, 1.0)) < 1e-5 && std::isfinite(after);
    needed = needed || before > 5;
  }
  checks.expect(held && needed, "no step has a gradient longer than 1, whatever the batch was");
}

/// The decision table of section 9, as advise_norm has it.
void decisions(Checks& checks) {
  say("\nSection 9: which norm, on one machine\n");
  bool sound = true;
  const std::pair<std::int64_t, bool> situations[] = {{8, false}, {1, false}, {2, true}, {1, true}};
  for (const auto& [batch, pretrained] : situations) {
    const nn::NormAdvice advice = nn::advise_norm(batch, nn::NormTask::detection, pretrained);
    std::string norms = advice.name;
    for (const nn::NormAlternative& other : advice.alternatives) {
      norms += ", or " + other.what;
    }
    say("  %-10s batch %d  %s\n", pretrained ? "pretrained" : "new", static_cast<int>(batch), norms.c_str());
    const auto norm = nn::make_norm(advice.name, 16, advice.options);
    norm->train();
    const Tensor x = arange(0, 16 * 3 * 3);
    sound = sound && (*norm)(reshape(x, {1, 16, 3, 3})).shape() == Shape({1, 16, 3, 3});
  }
  checks.expect(sound, "each can be had by name and takes a batch of 1 in training");
}

void notes_figures(Generator& generator, Checks& checks) {
  say("\nSection 10: mean and deviation of the output\n");
  say("                     mean here     the note's    deviation here       the note's\n");
  struct Row {
    const char* label;
    std::int64_t batch;
    double mean, deviation;
  };
  nn::BatchNorm2d bn(16);
  nn::GroupNorm gn(8, 16);
  double worst_mean = 0, worst_deviation = 0;
  for (const Row& row : {Row{"BN", 1, -3.812601789832115e-09, 0.9999950528144836},
                         {"BN", 8, -5.587935447692871e-09, 0.9999949932098389},
                         {"GN", 1, -8.731149137020111e-11, 0.9999949932098389},
                         {"GN", 8, -2.342858351767063e-09, 0.9999949932098389}}) {
    const Tensor x = randn({row.batch, 16, 32, 32}, generator);
    const Tensor y = row.label[0] == 'B' ? bn(x) : gn(x);
    const auto [m, s] = summ(y);
    say("  %s batch %d %17.3e %14.3e %17.10f %16.10f\n", row.label, static_cast<int>(row.batch), m, row.mean, s,
        row.deviation);
    worst_mean = std::max(worst_mean, std::abs(m));
    worst_deviation = std::max(worst_deviation, std::abs(s - row.deviation));
  }
  checks.expect(worst_mean < 1e-7, "means are 0 up to float32 rounding, as the note's");
  checks.expect(worst_deviation < 1e-6, "deviations are the note's, sqrt(v / (v + 1e-5)) = 0.999995, to 6 digits");
}

/// `count` inputs: noise, on a brightness per image and channel if `images`.
Tensor inputs(std::int64_t count, bool images, Generator& generator) {
  const Tensor noise = randn({count, 16, 32, 32}, generator);
  return images ? noise * 0.7 + randn({count, 16, 1, 1}, generator) : noise;
}

/// How far one sample's output moves while its batch mates are drawn 20 times: the deviation of each element, averaged.
double spread(nn::Layer& norm, std::int64_t batch, bool images, Generator& generator) {
  const Tensor sample = inputs(1, images, generator);
  constexpr int kDraws = 20;
  std::vector<Tensor> outputs;
  outputs.reserve(kDraws);
  for (int i = 0; i < kDraws; ++i) {
    outputs.push_back(select(norm(cat({sample, inputs(batch - 1, images, generator)})), 0, 0));
  }
  return mean(evenkeel::std(stack(outputs), {0})).item();
}

void batch_mates(Generator& generator, Checks& checks) {
  say("\nWhat does differ: one sample's output over 20 draws of its batch mates (mean deviation)\n");
  say("  batch   BN, the note's noise   BN, brightness per image   GN\n");
  const NoGradGuard no_grad;
  nn::BatchNorm2d bn(16);
  nn::GroupNorm gn(8, 16);
  std::vector<double> by_batch;
  double group_norm = 0;
  for (const std::int64_t batch : {2, 4, 8, 32}) {
    const double noise = spread(bn, batch, false, generator);
    by_batch.push_back(spread(bn, batch, true, generator));
    group_norm = std::max({group_norm, spread(gn, batch, false, generator), spread(gn, batch, true, generator)});
    say("  %5d %22.4f %26.4f   %g\n", static_cast<int>(batch), noise, by_batch.back(), group_norm);
  }
  checks.expect(group_norm == 0, "GroupNorm's output does not depend on the batch, to the bit");
  const double fall = by_batch.front() / by_batch.back();
  checks.expect(fall > 2.5 && fall < 6, "BatchNorm's spread falls about as 1/sqrt(batch): by 4 from batch 2 to 32");
}

void conversion_and_accumulation(Generator& generator, Checks& checks) {
  say("\nSection 11: convert_bn_to_gn; and what accumulating 8 batches of 2 gives against one of 16\n");
  models::SmallBNNetOptions options;
  options.num_classes = 10;
  const Tensor x = to(inputs(16, false, generator), DType::float64), images = slice(slice(x, 2, 0, 8), 3, 0, 8);
  const Tensor labels = randint(0, 10, {16}, generator);
  const Tensor colours = slice(images, 1, 0, 3);
  std::vector<double> off;
  for (const char* what : {"BatchNorm", "BatchNorm, statistics frozen", "GroupNorm by convert_bn_to_gn"}) {
    Generator weights(5);
    models::SmallBNNet net(weights, options);
    net.to(DType::float64);
    net(colours);
    if (what[0] == 'G') {
      for (const nn::Conversion& c : nn::convert_bn_to_gn(net)) {
        say("  %s: %s -> %s\n", c.name.c_str(), c.from.c_str(), text_of(*net.child(c.name)).c_str());
      }
    } else if (std::string_view(what).ends_with("frozen")) {
      nn::freeze_batchnorm_stats(net);
    }
    const Tensor whole = accumulated_gradients(net, colours, labels, 1),
                 parts = accumulated_gradients(net, colours, labels, 8);
    off.push_back(norm(parts - whole).item() / norm(whole).item());
    say("  %-30s the gradient is off by %.2g %%\n", what, 100 * off.back());
  }
  checks.expect(off[0] > 0.05, "with batch statistics accumulation is no bigger batch");
  checks.expect(off[1] < 1e-12 && off[2] < 1e-12, "with frozen ones and with GroupNorm it is, to rounding");
}

int run(int argc, char** argv) {
  CommandLine line("Prints what the small-batch note shows, beside the note's own figures.");
  std::uint64_t seed = 0;
  line.add("--seed", seed, "of inputs and weights");
  line.example("small_batch_demo --seed 7");
  if (!line.parse(argc, argv)) {
    return 0;
  }
  Checks checks;
  Generator generator(seed);
  group_norm_shape(generator, checks);
  freezing(generator, checks);
  weight_standardization(generator, checks);
  clipping(generator, checks);
  decisions(checks);
  notes_figures(generator, checks);
  batch_mates(generator, checks);
  conversion_and_accumulation(generator, checks);
  return checks.exit_code();
}

}  // namespace

int main(int argc, char** argv) { return run_program("small_batch_demo", run, argc, argv); }
