// What a checkpoint's file holds, and that loading one is all or nothing: whatever is wrong with it, and whichever
// allocation fails, no bit of model, optimizer, schedules, loader, generators, entries and metrics changes.

#include "evenkeel/training/checkpoint.hpp"

#include "evenkeel/core/io/safetensors.hpp"
#include "evenkeel/core/parallel.hpp"
#include "tests/optim/failing_new.hpp"
#include "tests/training/run.hpp"

#include <doctest/doctest.h>

#include <functional>
#include <limits>
#include <new>
#include <set>

using namespace evenkeel;
using namespace evenkeel::training;
using doctest::Contains;
using evenkeel::test::Bits;
using evenkeel::test::Run;
using evenkeel::test::RunSetup;

namespace {

/// With two schedules and momentum; its loader is inside epoch 1.
const RunSetup kSetup{.model = "fc_bn", .schedule = 9};
constexpr int kSteps = 3;

/// A checkpoint of kSetup as a file that can be spoilt.
struct File {
  File() {
    Run run(kSetup, 1);
    run.train(kSteps);
    save_checkpoint(path(), run.state());
    content = load_safetensors(path().string());
  }
  std::filesystem::path path() const { return folder / "checkpoint.safetensors"; }
  void write() const { save_safetensors(path().string(), content.tensors, content.metadata); }
  Array& operator[](const std::string& name) {
    for (auto& [other, array] : content.tensors) {
      if (other == name) {
        return array;
      }
    }
    FAIL("no tensor ", name);
    return content.tensors[0].second;
  }
  void remove(const std::string& prefix) {
    const auto removed = std::erase_if(content.tensors, [&](const auto& t) { return t.first.starts_with(prefix); });
    REQUIRE(removed > 0);
  }

  test::TemporaryFolder folder;
  Safetensors content;
};

struct BadFile {
  std::string error;
  std::function<void(File&)> spoil;
};

Array number(std::int64_t value) { return Array::scalar(value); }

/// Everything else of these files is right, so a part that were written before all have been checked would change.
const std::vector<BadFile> kBadFiles = {
    // The model.
    {"Missing key(s) in state_dict: \"1.network.0.weight\"", [](File& f) { f.remove("model.1.network.0.weight"); }},
    {"Unexpected key(s) in state_dict: \"more\"",
     [](File& f) { f.content.tensors.emplace_back("model.more", number(1)); }},
    {"size mismatch for 1.network.0.bias", [](File& f) { f["model.1.network.0.bias"] = Array::zeros({3}); }},
    {"dtype mismatch for 1.network.1.running_var",
     [](File& f) {
       Array& array = f["model.1.network.1.running_var"];
       array = array.to(DType::float64);
     }},
    {"Error(s) in loading state_dict for Sequential",
     [](File& f) {
       Run other({.model = "small_bn_net", .schedule = 9}, 1);
       f.remove("model.");
       for (const auto& [name, array] : other.net.state_dict()) {
         f.content.tensors.emplace_back("model." + name, array);
       }
     }},
    // Its generators.
    {"got 0 generators, Sequential has 1", [](File& f) { f.remove("generators."); }},
    {"'0.generator' must be an int64 array of shape [2]", [](File& f) { f["generators.0.generator"] = number(1); }},
    // The optimizer.
    {"SGD::load_state_dict: 'state.1.network.6.bias.momentum_buffer' is float32 of shape [3], expected float32 of "
     "shape [10]",
     [](File& f) { f["optimizer.state.1.network.6.bias.momentum_buffer"] = Array::zeros({3}); }},
    {"SGD::load_state_dict: missing key 'param_groups.0.momentum'",
     [](File& f) { f.remove("optimizer.param_groups.0.momentum"); }},
    {"SGD::load_state_dict: unexpected key 'state.1.network.6.bias.exp_avg'",
     [](File& f) { f.content.tensors.emplace_back("optimizer.state.1.network.6.bias.exp_avg", number(1)); }},
    {"doesn't match the size of optimizer's group", [](File& f) { f["optimizer.param_groups.0.size"] = number(3); }},
    // The schedules.
    {"LRScheduler::load_state_dict: missing key 'last_epoch'", [](File& f) { f.remove("schedulers.0.last_epoch"); }},
    {"ReduceLROnPlateau::load_state_dict: missing key 'best'", [](File& f) { f.remove("schedulers.1.best"); }},
    {"'base_lrs' is float64 of shape [2], expected float64 of shape [1]",
     [](File& f) { f["schedulers.0.base_lrs"] = Array::ones({2}, DType::float64); }},
    {"missing key 'best'", [](File& f) { f.remove("schedulers.1."); }},
    {"nothing here that 'schedulers.2.gamma' is the state of",
     [](File& f) { f.content.tensors.emplace_back("schedulers.2.gamma", number(1)); }},
    // The loader.
    {"DataLoader::load_state_dict: missing key 'batch'", [](File& f) { f.remove("loader.batch"); }},
    {"DataLoader::load_state_dict: 'seed' must be an int64 of rank 0",
     [](File& f) { f["loader.seed"] = Array::ones({}); }},
    {"DataLoader::load_state_dict: unexpected key 'rank'",
     [](File& f) { f.content.tensors.emplace_back("loader.rank", number(1)); }},
    {"batch_size must be 4, got 5; the state was saved inside an epoch",
     [](File& f) { f["loader.batch_size"] = number(5); }},
    {"dataset_size must be 11, got 12; the state was saved inside an epoch",
     [](File& f) { f["loader.dataset_size"] = number(12); }},
    {"the position must be one of 2 batches, got batch 2", [](File& f) { f["loader.batch"] = number(2); }},
    {"the position must be a batch of an epoch, got batch 1 of epoch -1",
     [](File& f) { f["loader.epoch"] = number(-1); }},
    {"the position must be a batch of an epoch, got batch 1 of epoch 9223372036854775807",
     [](File& f) { f["loader.epoch"] = number(std::numeric_limits<std::int64_t>::max()); }},
    // The user's own generators, and metrics.
    {"no state of the generator 'noise'", [](File& f) { f.remove("user_generators.noise"); }},
    {"'noise' must be an int64 array of shape [2]", [](File& f) { f["user_generators.noise"] = Array::ones({2}); }},
    {"there is no generator 'more' here",
     [](File& f) { f.content.tensors.emplace_back("user_generators.more", f["user_generators.noise"]); }},
    {"must be float64 with 2 columns, got float64 of shape [3, 1]",
     [](File& f) {
       f["metrics"] = Array::zeros({3, 1}, DType::float64);
     }},
    {"the columns of metrics must be 'step,loss', got 'step,cost'",
     [](File& f) { f.content.metadata["metrics.columns"] = "step,cost"; }},
    // The file.
    {"nothing here that 'extra' is the state of", [](File& f) { f.content.tensors.emplace_back("extra", number(1)); }},
    {"is no training checkpoint (its format is 'pt'", [](File& f) { f.content.metadata["format"] = "pt"; }},
    {"must be '2', got '3'", [](File& f) { f.content.metadata["version"] = "3"; }},
};

}  // namespace

TEST_CASE("a file in which one part is wrong changes no part") {
  File right;
  for (const BadFile& bad : kBadFiles) {
    CAPTURE(bad.error);
    File file;
    bad.spoil(file);
    file.write();
    Run run(kSetup, 2, 0.1);
    run.train(1);
    const Bits before = run.bits();
    CHECK_THROWS_WITH_AS(load_checkpoint(file.path(), run.state()), Contains(bad.error.c_str()), FileError);
    CHECK_THROWS_WITH(load_checkpoint(file.path(), run.state()), Contains(file.path().c_str()));
    CHECK(Run::difference(run.bits(), before) == "");
    load_checkpoint(right.path(), run.state());
    CHECK(run.bits() != before);
  }
}

TEST_CASE("a part without a place is an error, but for entries and metrics") {
  const File file;
  Run run(kSetup, 2);
  const Bits before = run.bits();
  const auto check = [&](const std::string& error, const std::function<void(TrainingState&)>& change) {
    TrainingState state = run.state();
    change(state);
    CHECK_THROWS_WITH_AS(load_checkpoint(file.path(), state), Contains(error.c_str()), FileError);
    CHECK(Run::difference(run.bits(), before) == "");
  };
  check("nothing here that 'loader.", [](TrainingState& s) { s.loader = nullptr; });
  check("nothing here that 'schedulers.1.", [](TrainingState& s) { s.schedulers.pop_back(); });
  check("no generator 'noise' here", [](TrainingState& s) { s.generators.clear(); });
  TrainingState state = run.state();
  state.entries = nullptr;
  state.metrics = nullptr;
  load_checkpoint(file.path(), state);
  CHECK(run.entries.texts.at("who") == "seed 2");
  CHECK(run.metrics.rows.empty());
  CHECK(run.loader.position() == data::LoaderPosition{1, 1});
}

TEST_CASE("whichever allocation of loading fails, all is loaded or nothing changes") {
  const ThreadsGuard one(1);
  const File file;
  const Checkpoint checkpoint = read_checkpoint(file.path());
  Run right(kSetup, 3);
  load_checkpoint(checkpoint, right.state());
  const Bits loaded = right.bits();
  auto run = std::make_unique<Run>(kSetup, 2, 0.1);
  const Bits before = run->bits();
  int failures = 0;
  for (bool all_succeeded = false; !all_succeeded;) {
    const TrainingState state = run->state();
    bool failed = false;
    test::allocations_until_failure = failures;
    try {
      load_checkpoint(checkpoint, state);
    } catch (const std::bad_alloc&) {
      failed = true;
    }
    all_succeeded = std::exchange(test::allocations_until_failure, -1) >= 0;
    ++failures;
    CAPTURE(failures);
    REQUIRE(Run::difference(run->bits(), failed ? before : loaded) == "");
    if (!failed) {  // what the allocator keeps for later may be less
      run = std::make_unique<Run>(kSetup, 2, 0.1);
    }
  }
  CHECK(failures > 400);
}

TEST_CASE("the file's names are those that Checkpoint documents") {
  const File file;
  std::set<std::string> parts;
  for (const auto& [name, array] : file.content.tensors) {
    parts.insert(name.substr(0, name.find('.')));
  }
  CHECK(parts == std::set<std::string>{"model", "generators", "optimizer", "schedulers", "loader", "user_generators",
                                       "entries", "metrics"});
  CHECK(file.content.metadata.at("format") == "evenkeel training checkpoint");
  CHECK(file.content.metadata.at("version") == "2");
  CHECK(file.content.metadata.at("entries.who") == "seed 1");
  CHECK(file.content.metadata.at("metrics.columns") == "step,loss");
  const Checkpoint checkpoint = read_checkpoint(file.path());
  CHECK(checkpoint.version == 2);
  CHECK(checkpoint.entries.texts.at("who") == "seed 1");
  CHECK(checkpoint.metrics.rows.size() == kSteps);
  CHECK(checkpoint.metrics.rows[2][0] == 2);
}

TEST_CASE("what a checkpoint gave is nobody else's") {
  const File file;
  const Checkpoint checkpoint = read_checkpoint(file.path());
  Run first(kSetup, 2), second(kSetup, 3);
  load_checkpoint(checkpoint, first.state());
  first.train(2);
  load_checkpoint(checkpoint, second.state());
  second.train(2);
  CHECK(first.bits() == second.bits());
}

TEST_CASE("metrics that do not fit their columns are not saved, and the old file stays") {
  File file;
  Run run(kSetup, 1);
  const auto check = [&](const std::string& error) {
    CHECK_THROWS_WITH_AS(save_checkpoint(file.path(), run.state()), Contains(error.c_str()), ValueError);
    CHECK(read_checkpoint(file.path()).metrics.rows.size() == kSteps);
  };
  run.metrics.rows = {{1}};
  check("a row of metrics must have 2 values, got 1");
  run.metrics = {.columns = {"a,b"}, .rows = {}};
  check("a column's name must be a text without commas, got 'a,b'");
  run.metrics = {};
  save_checkpoint(file.path(), run.state());
  CHECK(read_checkpoint(file.path()).metrics.columns.empty());
}

TEST_CASE("checkpoints of version 1 load") {
  const RunSetup setup{.model = "fc_bn", .schedule = test::kNoSchedule};
  const test::TemporaryFolder folder;
  Run run(setup, 1);
  run.train(4);
  NamedArrays tensors;
  for (const auto& [prefix, part] : {std::pair{"model.", run.net.state_dict()},
                                     {"optimizer.", run.optimizer->state_dict()},
                                     {"generators.", run.net.generator_state()}}) {
    for (const auto& [name, array] : part) {
      tensors.emplace_back(prefix + name, array);
    }
  }
  const std::string path = folder / "old";
  save_safetensors(path, tensors, {{"format", "evenkeel training checkpoint 1"}, {"epoch", "2"}, {"--lr", "0.1"}});
  Run resumed(setup, 1);
  TrainingState state = resumed.state();
  state.generators = {};
  resumed.metrics.rows = {{0, 7}};
  load_checkpoint(path, state);
  CHECK(resumed.entries.texts == std::map<std::string, std::string>{{"--lr", "0.1"}, {"epoch", "2"}});
  CHECK(resumed.loader.position() == data::LoaderPosition{2, 0});
  CHECK(resumed.metrics.rows == std::vector<std::vector<double>>{{0, 7}});
  resumed.noise = run.noise;
  resumed.entries = run.entries;
  resumed.metrics = run.metrics;
  CHECK(resumed.bits() == run.bits());
  for (const std::string epoch : {"", "-1", "two", "2x"}) {
    CAPTURE(epoch);
    save_safetensors(path, tensors, {{"format", "evenkeel training checkpoint 1"}, {"epoch", epoch}});
    CHECK_THROWS_WITH_AS(load_checkpoint(path, state), Contains("the epoch must be a number of at least 0, got"),
                         FileError);
    CHECK(resumed.bits() == run.bits());
  }
}
