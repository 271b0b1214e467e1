#include "evenkeel/training/checkpoint.hpp"

#include "evenkeel/core/io/safetensors.hpp"

#include <charconv>
#include <stdexcept>

namespace evenkeel::training {

using optim::split_off;

namespace {

constexpr std::string_view kOp = "load_checkpoint";
constexpr const char* kFormat = "evenkeel training checkpoint";
constexpr const char* kFormat1 = "evenkeel training checkpoint 1";

std::string scheduler_prefix(std::size_t i) { return concat("schedulers.", i, "."); }

void append(NamedArrays& target, const std::string& prefix, const NamedArrays& source) {
  for (const auto& [name, value] : source) {
    target.emplace_back(prefix + name, value);
  }
}

// ---- Metrics, as an array and the names of its columns

Array to_array(const Metrics& metrics) {
  std::vector<double> values;
  for (const std::vector<double>& row : metrics.rows) {
    require(row.size() == metrics.columns.size(), "save_checkpoint", "a row of metrics must have ",
            metrics.columns.size(), " values, got ", row.size());
    values.insert(values.end(), row.begin(), row.end());
  }
  return Array::from(values, {std::ssize(metrics.rows), std::ssize(metrics.columns)});
}

std::string joined(const std::vector<std::string>& columns) {
  std::string text;
  for (const std::string& column : columns) {
    require(!column.empty() && column.find(',') == std::string::npos, "save_checkpoint",
            "a column's name must be a text without commas, got '", column, "'");
    text += (text.empty() ? "" : ",") + column;
  }
  return text;
}

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> parts;
  for (std::size_t begin = 0; !text.empty() && begin <= text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    parts.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

Metrics from_array(const Array& array, const std::string& names, const std::string& path) {
  Metrics metrics{.columns = split(names), .rows = {}};
  const std::int64_t width = std::ssize(metrics.columns);
  require<FileError>(array.dtype() == DType::float64 && array.rank() == 2 && array.size(1) == width, kOp,
                     "the metrics of '", path, "' must be float64 with ", width, " columns, got ", array.dtype(),
                     " of shape ", array.shape());
  const std::vector<double> values = array.to_vector<double>();
  for (auto row = values.begin(); row != values.end() && width > 0; row += width) {
    metrics.rows.emplace_back(row, row + width);
  }
  return metrics;
}

// ---- Reading

std::string text_or(const std::map<std::string, std::string>& texts, const std::string& name) {
  const auto found = texts.find(name);
  return found == texts.end() ? "" : found->second;
}

/// What was metadata of version 1 beside the format.
void take_settings(Checkpoint& checkpoint, std::map<std::string, std::string> metadata) {
  metadata.erase("format");
  checkpoint.entries.texts = std::move(metadata);
}

void take_entries_and_metrics(Checkpoint& checkpoint, const std::map<std::string, std::string>& metadata) {
  constexpr std::string_view kEntries = "entries.";
  for (const auto& [name, text] : metadata) {
    if (name.starts_with(kEntries)) {
      checkpoint.entries.texts[name.substr(kEntries.size())] = text;
    }
  }
  checkpoint.entries.arrays = split_off(checkpoint.arrays, kEntries);
  std::erase_if(checkpoint.arrays, [&](const auto& entry) {
    if (entry.first != "metrics") {
      return false;
    }
    checkpoint.metrics = from_array(entry.second, text_or(metadata, "metrics.columns"), checkpoint.path.string());
    return true;
  });
}

// ---- Loading

/// Of version 1: the loader's own state at the epoch that the file names.
NamedArrays loader_state(const Checkpoint& checkpoint, const data::DataLoader& loader) {
  const std::string text = text_or(checkpoint.entries.texts, "epoch");
  std::int64_t epoch = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), epoch);
  require(error == std::errc() && end == text.data() + text.size() && epoch >= 0, kOp,
          "the epoch must be a number of at least 0, got '", text, "'");
  NamedArrays state = loader.state_dict();
  for (auto& [name, value] : state) {
    value = name == "epoch" ? Array::scalar(epoch) : name == "batch" ? Array::scalar(std::int64_t{0}) : value;
  }
  return state;
}

template <class T>
void plan_replace(LoadPlan& plan, T* target, T value) {
  if (target != nullptr) {
    plan.add([target, value = std::move(value)]() mutable { std::swap(*target, value); });
  }
}

LoadPlan plan_generators(const TrainingState& state, NamedArrays saved) {
  LoadPlan plan;
  for (const auto& [name, generator] : state.generators) {
    const auto found = std::ranges::find(saved, name, &NamedArrays::value_type::first);
    require(found != saved.end(), kOp, "no state of the generator '", name, "'");
    plan.add(
        [generator = generator, words = state_from_array(found->second, kOp, name)] { generator->set_state(words); });
    saved.erase(found);
  }
  require(saved.empty(), kOp, "there is no generator '", saved.empty() ? "" : saved[0].first, "' here");
  return plan;
}

LoadPlan plan_all(const Checkpoint& checkpoint, const TrainingState& state) {
  NamedArrays rest = checkpoint.arrays;
  LoadPlan plan = state.model.plan_load_state_dict(split_off(rest, "model."));
  plan.add(state.model.plan_load_generator_state(split_off(rest, "generators.")));
  plan.add(state.optimizer.plan_load_state_dict(split_off(rest, "optimizer.")));
  for (std::size_t i = 0; i < state.schedulers.size(); ++i) {
    plan.add(state.schedulers[i].plan_load_state_dict(split_off(rest, scheduler_prefix(i))));
  }
  if (state.loader != nullptr) {
    const NamedArrays saved = split_off(rest, "loader.");
    plan.add(
        state.loader->plan_load_state_dict(checkpoint.version == 1 ? loader_state(checkpoint, *state.loader) : saved));
  }
  plan.add(plan_generators(state, split_off(rest, "user_generators.")));
  require(rest.empty(), kOp, "there is nothing here that '", rest.empty() ? "" : rest[0].first, "' is the state of");
  Entries entries = checkpoint.entries;
  for (auto& [name, array] : entries.arrays) {
    array = array.clone();
  }
  plan_replace(plan, state.entries, std::move(entries));
  if (checkpoint.version != 1) {
    const auto& columns = checkpoint.metrics.columns;
    require(state.metrics == nullptr || state.metrics->columns.empty() || state.metrics->columns == columns, kOp,
            "the columns of metrics must be '", state.metrics == nullptr ? "" : joined(state.metrics->columns),
            "', got '", joined(columns), "'");
    plan_replace(plan, state.metrics, checkpoint.metrics);
  }
  return plan;
}

}  // namespace

void save_checkpoint(const std::filesystem::path& path, const TrainingState& state) {
  NamedArrays arrays;
  std::map<std::string, std::string> metadata = {{"format", kFormat}, {"version", "2"}};
  append(arrays, "model.", state.model.state_dict());
  append(arrays, "generators.", state.model.generator_state());
  append(arrays, "optimizer.", state.optimizer.state_dict());
  for (std::size_t i = 0; i < state.schedulers.size(); ++i) {
    append(arrays, scheduler_prefix(i), state.schedulers[i].state_dict());
  }
  if (state.loader != nullptr) {
    append(arrays, "loader.", state.loader->state_dict());
  }
  for (const auto& [name, generator] : state.generators) {
    arrays.emplace_back("user_generators." + name, state_array(*generator));
  }
  if (state.entries != nullptr) {
    append(arrays, "entries.", state.entries->arrays);
    for (const auto& [name, text] : state.entries->texts) {
      metadata["entries." + name] = text;
    }
  }
  if (state.metrics != nullptr) {
    arrays.emplace_back("metrics", to_array(*state.metrics));
    metadata["metrics.columns"] = joined(state.metrics->columns);
  }
  save_safetensors(path.string(), arrays, metadata);
}

Checkpoint read_checkpoint(const std::filesystem::path& path) {
  Safetensors file = load_safetensors(path.string());
  const std::string format = text_or(file.metadata, "format"), version = text_or(file.metadata, "version");
  require<FileError>(format == kFormat || format == kFormat1, kOp, "'", path.string(),
                     "' is no training checkpoint (its format is '", format, "', expected '", kFormat, "')");
  Checkpoint checkpoint;
  checkpoint.path = path;
  checkpoint.version = format == kFormat1 ? 1 : 2;
  checkpoint.arrays = std::move(file.tensors);
  if (checkpoint.version == 1) {
    take_settings(checkpoint, std::move(file.metadata));
  } else {
    require<FileError>(version == "2", kOp, "the version of '", path.string(), "' must be '2', got '", version, "'");
    take_entries_and_metrics(checkpoint, file.metadata);
  }
  return checkpoint;
}

void load_checkpoint(const Checkpoint& checkpoint, const TrainingState& state) {
  LoadPlan plan;
  try {
    plan = plan_all(checkpoint, state);
  } catch (const std::logic_error& error) {  // what does not fit, whichever kind of mistake the part calls it
    fail<FileError>(kOp, "'", checkpoint.path.string(), "' does not fit: ", error.what());
  }
  plan.commit();
}

void load_checkpoint(const std::filesystem::path& path, const TrainingState& state) {
  load_checkpoint(read_checkpoint(path), state);
}

}  // namespace evenkeel::training
