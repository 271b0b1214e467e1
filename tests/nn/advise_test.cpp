#include "evenkeel/nn/norm/advise.hpp"

#include <doctest/doctest.h>

using namespace evenkeel;
using namespace evenkeel::nn;
using doctest::Contains;

TEST_CASE("the table: by batch, task and pretraining, each with a reason and what else would do") {
  struct Row {
    std::int64_t batch;
    NormTask task;
    bool pretrained;
    const char* name;
    const char* reason;
  };
  const NormTask classify = NormTask::classification, detect = NormTask::detection, segment = NormTask::segmentation;
  for (const Row& row : {Row{1, classify, false, "gn", "single sample"},
                         {1, detect, false, "gn", "single sample"},
                         {1, segment, true, "frozen_bn", "batches of 1 "},
                         {2, detect, false, "gn", "variances of 2 samples"},
                         {2, detect, true, "frozen_bn", "batches of 2 "},
                         {15, classify, false, "gn", "variances of 15 samples"},
                         {15, classify, true, "frozen_bn", "batches of 15 "},
                         {16, classify, false, "bn", "Batches of 16 "},
                         {256, classify, true, "bn", "goes on to learn"},
                         {16, segment, false, "gn", "In segmentation "},
                         {64, detect, true, "frozen_bn", "batches of 64 "}}) {
    CAPTURE(row.batch);
    CAPTURE(to_string(row.task));
    const NormAdvice advice = advise_norm(row.batch, row.task, row.pretrained);
    CHECK(advice.name == row.name);
    CHECK_MESSAGE(advice.reason.find(row.reason) != std::string::npos, advice.reason);
    CHECK_FALSE(advice.alternatives.empty());
    CHECK_NOTHROW(make_norm(advice.name, 8, advice.options));
    CHECK(to_string(advice).starts_with(advice.name + "\n" + advice.reason + "\nor "));
    for (const NormAlternative& other : advice.alternatives) {
      CHECK((row.batch > 1 || other.what != "brn"));  // whose batch statistics have nothing to go by
    }
  }
}

TEST_CASE("tasks by name") {
  for (const char* name : {"classification", "detection", "segmentation"}) {
    CHECK(to_string(norm_task(name)) == name);
  }
  CHECK_THROWS_WITH(norm_task("lunch"),
                    "norm_task: the task must be one of classification, detection, segmentation, got 'lunch'");
  CHECK_THROWS_WITH(advise_norm(0, NormTask::detection, false), "advise_norm: batch must be positive, got 0");
}
