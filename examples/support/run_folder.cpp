#include "examples/support/run_folder.hpp"

#include "evenkeel/core/error.hpp"
#include "evenkeel/core/io/file.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <system_error>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <fstream>
#include <map>
#include <optional>
#include <sstream>
#include <utility>

namespace evenkeel::examples {

namespace {

constexpr const char* kHeader =
    "run,epoch,train_loss,train_accuracy,test_loss,test_accuracy,images_per_second,seconds,learning_rate";

/// A string in gnuplot's single quotes.
std::string quoted(const std::string& text) {
  std::string result = "'";
  for (const char c : text) {
    result += c;
    if (c == '\'') {
      result += c;
    }
  }
  return result + "'";
}

std::string csv_row(const EpochMetrics& m) {
  char text[256];
  std::snprintf(text, sizeof text, ",%d,%.9g,%.9g,%.9g,%.9g,%.6g,%.6g,%.9g\n", m.epoch, m.train_loss, m.train_accuracy,
                m.test_loss, m.test_accuracy, m.images_per_second, m.seconds, m.learning_rate);
  return "\"" + m.run + "\"" + text;
}

std::optional<EpochMetrics> parse_csv_row(const std::string& line) {
  EpochMetrics m;
  const std::size_t quote = line.find('"', 1);
  if (!line.starts_with('"') || quote == std::string::npos) {
    return std::nullopt;
  }
  m.run = line.substr(1, quote - 1);
  const int fields = std::sscanf(line.c_str() + quote + 1, ",%d,%lf,%lf,%lf,%lf,%lf,%lf,%lf", &m.epoch, &m.train_loss,
                                 &m.train_accuracy, &m.test_loss, &m.test_accuracy, &m.images_per_second, &m.seconds,
                                 &m.learning_rate);
  return fields == 8 ? std::optional(m) : std::nullopt;
}

/// A number as gnuplot reads it; what is not finite is missing from the curve.
std::string point(double value) { return std::isfinite(value) ? concat(value) : "?"; }

/// One gnuplot data block per run, named $run0, $run1, ...
void write_blocks(std::ostream& out, const std::vector<EpochMetrics>& metrics, std::vector<std::string>& names) {
  std::map<std::string, std::string> blocks;
  for (const EpochMetrics& m : metrics) {
    if (!blocks.contains(m.run)) {
      names.push_back(m.run);
    }
    blocks[m.run] += concat(m.epoch, " ", point(m.train_loss), " ", point(m.test_loss), " ",
                            point(100 * m.train_accuracy), " ", point(100 * m.test_accuracy), "\n");
  }
  for (std::size_t i = 0; i < names.size(); ++i) {
    out << "$run" << i << " << EOD\n" << blocks[names[i]] << "EOD\n";
  }
}

/// Whether gnuplot is there and takes the script. It may be gone before it has read everything: writing to it then must
/// not end the program.
bool run_gnuplot(const std::string& script) {
  const auto before = std::signal(SIGPIPE, SIG_IGN);
  std::FILE* gnuplot = popen("gnuplot >/dev/null 2>&1", "w");
  bool good = gnuplot != nullptr;
  if (good) {
    std::fwrite(script.data(), 1, script.size(), gnuplot);
    good = pclose(gnuplot) == 0;
  }
  std::signal(SIGPIPE, before);
  return good;
}

/// Where a picture is drawn before it takes the place of the last one.
std::filesystem::path unfinished(const std::filesystem::path& picture) {
  return picture.parent_path() / ("." + picture.filename().string() + ".unfinished");
}

/// The files of a save inside an epoch, in the order in which they are put back: killed in between, a resumed run makes
/// the weights those of the checkpoint.
constexpr const char* kOfSave[] = {"checkpoint.safetensors", "model.safetensors"};

/// The second name of a file that remember() found.
std::filesystem::path remembered(const std::filesystem::path& file) {
  return file.parent_path() / ("." + file.filename().string() + ".before");
}

/// A panel: the training value dashed, the test value solid, one colour per run. Without a finite value (`empty`)
/// gnuplot would stop, for lack of a range.
void write_panel(std::ostream& out, const std::vector<std::string>& names, const char* label, int train_column,
                 int test_column, bool empty) {
  out << "set yrange " << (empty ? "[0:1]" : "[*:*]") << "\nset ylabel " << quoted(label) << "\nplot ";
  for (std::size_t i = 0; i < names.size(); ++i) {
    out << (i == 0 ? "" : ", ") << "$run" << i << " using 1:" << test_column << " with linespoints pt 7 ps 0.6 lw 2 lc "
        << i + 1 << " title " << quoted(names[i] + ", test") << ", $run" << i << " using 1:" << train_column
        << " with linespoints dt 2 pt 6 ps 0.5 lw 1.5 lc " << i + 1 << " title " << quoted(names[i] + ", train");
  }
  out << "\n";
}

}  // namespace

HeldFolder::HeldFolder(const std::filesystem::path& path) {
  std::error_code error;
  std::vector<std::filesystem::path> missing;
  for (auto part = path; !part.empty() && !std::filesystem::exists(part, error); part = part.parent_path()) {
    missing.push_back(part);
  }
  std::filesystem::create_directories(path, error);
  require(!error && std::filesystem::is_directory(path), "run folder", "cannot create ", path.string(), ": ",
          error ? error.message() : "a file of that name is in the way");
  descriptor_ = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (::flock(descriptor_, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {  // else: it can't be locked at all
    ::close(descriptor_);
    fail<StateError>("run folder", path.string(), " is in use: another process writes its run there");
  }
  created_ = std::move(missing);
}

HeldFolder::~HeldFolder() {
  std::error_code left;  // while the lock is held: nobody else's folder goes
  for (const std::filesystem::path& part : created_) {
    std::filesystem::remove(part, left);  // nothing but an empty folder
  }
  ::close(descriptor_);
}

RunFolder::RunFolder(std::filesystem::path path) : path_(std::move(path)), held_(path_) {
  forget();  // of a process that was killed, as what follows
  for (const char* picture : {"curves.png", "curves.svg"}) {
    std::error_code none;
    std::filesystem::remove(unfinished(file(picture)), none);
  }
  const AtomicFile probe(file("metrics.csv"),
                         "run folder");  // throws now where nothing can be written, not after an epoch
}

MetricsFile read_metrics(const std::filesystem::path& csv) {
  MetricsFile file;
  std::ifstream in(csv);
  bool is_header = true;
  for (std::string line; std::getline(in, line); is_header = false) {
    if (line.ends_with('\r')) {
      line.pop_back();
    }
    const std::optional<EpochMetrics> row = is_header ? std::nullopt : parse_csv_row(line);
    if (row) {
      file.rows.push_back(*row);
    } else if (is_header ? line != kHeader : !line.empty()) {
      file.bad_line = file.bad_line.empty() ? "'" + line + "'" : file.bad_line;
    }
  }
  return file;
}

bool same_but_for_timing(EpochMetrics a, EpochMetrics b) {
  for (EpochMetrics* m : {&a, &b}) {
    m->run = "";
    m->images_per_second = m->seconds = 0;
  }
  return csv_row(a) == csv_row(b);
}

/// Whether writing to `path` writes to another folder than its own: it is a symbolic link that leads out of that.
bool leads_out(const std::filesystem::path& path) {
  std::error_code none;
  const std::filesystem::path target = follow_links(path);
  return target != path && !std::filesystem::equivalent(target.parent_path(), path.parent_path(), none);
}

void check_free(const std::filesystem::path& folder, const std::filesystem::path& resumed) {
  std::error_code none;
  const bool own = std::filesystem::equivalent(folder, resumed.parent_path() / ".", none);
  for (const auto& entry : std::filesystem::directory_iterator(folder, none)) {
    const std::string name = entry.path().filename().string();
    const bool of_train = name == "checkpoint.safetensors";
    const bool of_quickstart = name.starts_with("checkpoint-") && name.ends_with(".safetensors");
    std::error_code missing;
    require(of_train ? std::filesystem::equivalent(resumed, entry.path(), missing) : !of_quickstart || own, "train",
            folder.string(), " holds an earlier run; continue it with --resume, or choose another --out");
  }
  // A run writes metrics.csv or a checkpoint first: weights without one of these, or another table, are somebody's own.
  const auto has = [&](const char* name) { return std::filesystem::exists(folder / name); };
  const bool table = has("metrics.csv");
  require(own || !table || read_metrics(folder / "metrics.csv").bad_line.empty(), "train",
          (folder / "metrics.csv").string(), " is no run's and would be replaced; choose another --out");
  require(own || table || has("checkpoint.safetensors") || !(has("model.safetensors") || has("best.safetensors")),
          "train", folder.string(), " holds weights of no run that would be replaced; choose another --out");
  for (const char* name : {"metrics.csv", "checkpoint.safetensors", "model.safetensors", "best.safetensors"}) {
    require(!leads_out(folder / name), "train", (folder / name).string(),
            " is a link that leads out of the folder; choose another --out");
  }
}

void RunFolder::set_metrics(std::vector<EpochMetrics> metrics) {
  metrics_ = std::move(metrics);
  AtomicFile out(file("metrics.csv"), "metrics");
  out.write(std::string(kHeader) + "\n");
  for (const EpochMetrics& m : metrics_) {
    out.write(csv_row(m));
  }
  out.commit();
}

void RunFolder::add(const EpochMetrics& metrics) {
  std::vector<EpochMetrics> rows = metrics_;
  rows.push_back(metrics);
  set_metrics(std::move(rows));
}

void RunFolder::remember() const {
  forget();
  for (const char* name : kOfSave) {
    std::error_code failed;
    std::filesystem::create_hard_link(file(name), remembered(file(name)), failed);
    if (failed && std::filesystem::exists(file(name))) {
      std::filesystem::copy_file(file(name), remembered(file(name)));
    }
  }
}

bool RunFolder::put_back() const {
  const bool had_checkpoint = std::filesystem::exists(remembered(file(kOfSave[0])));
  for (const char* name : kOfSave) {
    if (had_checkpoint && std::filesystem::exists(remembered(file(name)))) {
      std::filesystem::rename(remembered(file(name)), file(name));
    }
  }
  return had_checkpoint;
}

void RunFolder::forget() const {
  for (const char* name : kOfSave) {
    std::error_code none;
    std::filesystem::remove(remembered(file(name)), none);
  }
}

bool RunFolder::draw(const std::string& title) const {
  std::ostringstream script;
  script.imbue(std::locale::classic());
  std::vector<std::string> names;
  write_blocks(script, metrics_, names);
  int last = 1;
  bool no_loss = true, no_accuracy = true;
  for (const EpochMetrics& m : metrics_) {
    last = std::max(last, m.epoch);
    no_loss = no_loss && !std::isfinite(m.train_loss) && !std::isfinite(m.test_loss);
    no_accuracy = no_accuracy && !std::isfinite(m.train_accuracy) && !std::isfinite(m.test_accuracy);
  }
  script << "set datafile missing '?'\nset xrange "
         << (last == 1                ? "[0:2]"
             : no_loss || no_accuracy ? concat("[1:", last, "]")
                                      : "[1:*]")
         << "\nset xtics " << 1 + last / 12 << "\n";
  const std::pair<const char*, const char*> terminals[] = {
      {"pngcairo noenhanced size 1200,500", "curves.png"},
      {"svg noenhanced size 1200,500 background 'white'", "curves.svg"}};
  for (const auto& [terminal, name] : terminals) {
    script << "set terminal " << terminal << "\nset output " << quoted(unfinished(file(name)).string())
           << "\nset grid\n"
           << "set key top right samplen 2\nset xlabel 'epoch'\nset multiplot layout 1,2 title " << quoted(title)
           << "\n";
    write_panel(script, names, "loss", 2, 3, no_loss);
    script << "set key bottom right\n";
    write_panel(script, names, "accuracy, %", 4, 5, no_accuracy);
    script << "unset multiplot\nunset output\n";
  }
  bool drawn = run_gnuplot(script.str());
  for (const auto& [terminal, name] : terminals) {
    std::error_code failed;
    std::filesystem::rename(unfinished(file(name)), file(name), failed);
    drawn = drawn && !failed;
  }
  return drawn;
}

void RunFolder::draw_curves(const std::string& title) const {
  if (!draw(title)) {
    std::printf("gnuplot is missing or failed: no picture drawn\n");
  }
}

void RunFolder::draw_curves_now_and_then(const std::string& title) {
  const Clock::time_point start = Clock::now();
  if (start >= next_drawing_) {
    draw(title);
    const Clock::time_point end = Clock::now();
    next_drawing_ = end + 9 * (end - start);
  }
}

}  // namespace evenkeel::examples
