// N steps in one go, and some steps, a checkpoint, freshly built objects of another seed and the rest: the same bits of
// weights, buffers, optimizer, schedules, generators, loader and losses. For every documented network and every norm.

#include "evenkeel/nn/norm/registry.hpp"
#include "tests/training/run.hpp"

#include <doctest/doctest.h>

#include <set>

using namespace evenkeel;
using evenkeel::test::Bits;
using evenkeel::test::Run;
using evenkeel::test::RunSetup;

namespace {

/// The networks with a norm behind Linear layers have none that is of images only.
bool takes(std::string_view model, std::string_view norm) {
  return norm != "brn" || (model != "fc_bn" && model != "cnn_bn");
}

/// Checks a run of `steps` steps that is saved after each of `stops` steps.
void check_resume(const RunSetup& setup, int steps, const std::vector<int>& stops) {
  CAPTURE(setup.model);
  CAPTURE(setup.norm);
  CAPTURE(setup.dtype);
  CAPTURE(setup.optimizer);
  CAPTURE(setup.schedule);
  const test::TemporaryFolder folder;
  Run whole(setup, 1);
  whole.train(steps);
  const Bits expected = whole.bits();
  Run first(setup, 1);
  int done = 0;
  for (const int stop : stops) {
    CAPTURE(stop);
    first.train(stop - done);
    done = stop;
    training::save_checkpoint(folder / "run", first.state());
    Run second(setup, 2, 0.1);
    second.loader.start_epoch(3);
    CHECK(Run::difference(second.bits(), first.bits()) != "");
    training::load_checkpoint(folder / "run", second.state());
    CHECK(Run::difference(second.bits(), first.bits()) == "");
    second.train(steps - stop);
    CHECK(Run::difference(second.bits(), expected) == "");
  }
}

}  // namespace

TEST_CASE("a resumed run is the unbroken one, bit for bit: every network") {
  int i = 0;
  constexpr data::LastBatch kLast[] = {data::LastBatch::merge, data::LastBatch::keep, data::LastBatch::drop};
  for (const models::ModelEntry& entry : models::models()) {
    const bool large = entry.name == "resnet18" || entry.name == "resnet32" || entry.name == "resnet56";
    std::set<std::string> norms = {std::string(entry.norm)};
    for (const char* norm : {"bn", "gn", "brn"}) {
      if (!large && takes(entry.name, norm)) {
        norms.insert(norm);
      }
    }
    for (const std::string& norm : norms) {
      const RunSetup setup{.model = std::string(entry.name),
                           .norm = norm,
                           .dtype = !large && norm == entry.norm ? DType::float64 : DType::float32,
                           .optimizer = i % test::kOptimizers,
                           .schedule = i % test::kSchedules,
                           .last_batch = kLast[i % 3],
                           .prefetch = i % 4};
      if (large) {
        check_resume(setup, 3, {2});
      } else {
        check_resume(setup, 6, {3, 4});
      }
      ++i;
    }
  }
  CHECK(i >= 2 * test::kSchedules);
}

TEST_CASE("a resumed run is the unbroken one, bit for bit: every norm") {
  int i = 0;
  for (const nn::NormEntry& norm : nn::norms()) {
    const RunSetup setup{.model = "small_bn_net",
                         .norm = std::string(norm.name),
                         .dtype = i % 2 == 0 ? DType::float32 : DType::float64,
                         .optimizer = i % test::kOptimizers,
                         .schedule = (i + 3) % test::kSchedules};
    check_resume(setup, 6, {3});
    ++i;
  }
}

TEST_CASE("a resumed run is the unbroken one, bit for bit: every optimizer with every schedule, by any threads") {
  for (int optimizer = 0; optimizer < test::kOptimizers; ++optimizer) {
    for (int schedule = 0; schedule < test::kSchedules; ++schedule) {
      const RunSetup setup{.model = "fc_bn", .optimizer = optimizer, .schedule = schedule, .prefetch = schedule % 3};
      check_resume(setup, 6, {1 + (optimizer + schedule) % 5});
    }
  }
}

TEST_CASE("a resumed run is the unbroken one, bit for bit: optimizers and schedules that came later") {
  for (int schedule = test::kSchedules; schedule < test::kMoreSchedules; ++schedule) {
    const int more = test::kMoreOptimizers - test::kOptimizers;
    const RunSetup setup{
        .model = "fc_bn", .optimizer = test::kOptimizers + schedule % more, .schedule = schedule, .prefetch = 0};
    check_resume(setup, 6, {1 + schedule % 5});
  }
}
