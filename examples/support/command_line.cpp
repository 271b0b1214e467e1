#include "examples/support/command_line.hpp"

#include "evenkeel/core/error.hpp"
#include "examples/support/text.hpp"

#include <CLI/CLI.hpp>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <stdexcept>
#include <type_traits>

namespace evenkeel::examples {
namespace {

bool lacks_default(const std::string& value) { return value.empty(); }
bool lacks_default(const std::filesystem::path& value) { return value.empty(); }
template <class T>
bool lacks_default(const T&) {
  return false;
}

template <class T>
bool is_list(const T&) {
  return false;
}
template <class T>
bool is_list(const std::vector<T>&) {
  return true;
}

/// --help within 80 columns, whatever CLI11 is given.
class Formatter : public CLI::Formatter {
 public:
  std::string make_description(const CLI::App* app) const override { return wrapped(app->get_description(), 0) + "\n"; }
  std::string make_usage(const CLI::App* app, std::string name) const override {
    return wrapped(CLI::Formatter::make_usage(app, std::move(name)), 4);
  }
  std::string make_option(const CLI::Option* option, bool is_positional) const override {
    std::string name = concat("  ", make_option_name(option, is_positional), make_option_opts(option));
    std::string text = make_option_desc(option);
    const std::size_t open = name.find(":{"), close = name.find('}');
    if (open < close && close < name.size()) {  // choices, which may be many, belong into the text
      text += text.empty() ? "one of " : ": one of ";
      for (const char c : name.substr(open + 2, close - open - 2)) {
        text += c == ',' ? ", " : std::string(1, c);
      }
      name.erase(open, close + 1 - open);
    }
    if (text.empty()) {
      return name + "\n";
    }
    const std::string gap(name.size() + 2 <= get_column_width() ? get_column_width() - name.size() : 0, ' ');
    text = wrapped(std::string(get_column_width(), ' ') + text, get_column_width());
    return gap.empty() ? concat(name, "\n", text, "\n") : concat(name, gap, text.substr(get_column_width()), "\n");
  }
};

/// What CLI11 finds wrong with the call, in one line.
std::invalid_argument usage_error(const CLI::ParseError& error) {
  return std::invalid_argument(std::string(error.what()) + " (--help lists the options)");
}

/// A limit of a number: `holds`, or an error that says what it must be. CLI11's own print the ends of their ranges,
/// which may have 309 digits.
CLI::Validator limit(const std::string& expected, const std::function<bool(double)>& holds) {
  return CLI::Validator(
      [=](const std::string& text) {
        double value = 0;
        const bool number = CLI::detail::lexical_cast(text, value);
        return number && holds(value) ? "" : concat("must be ", expected, ", got ", text);
      },
      "");
}

/// Whole numbers from 0 to 2^64 - 1; CLI11 lets -1 and greater ones wrap around.
CLI::Validator unsigned_number() {
  return CLI::Validator(
      [](const std::string& text) {
        return number<std::uint64_t>(text)
                   ? ""
                   : concat("must be a whole number from 0 to 18446744073709551615, got ", text);
      },
      "");
}

std::size_t shared_prefix(const std::string& a, const std::string& b) {
  return static_cast<std::size_t>(std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first - a.begin());
}

/// What the call has that the program does not know, and the option that it may have meant.
std::invalid_argument unknown_error(const CLI::App& app) {
  const std::string first = app.remaining().front();
  std::string nearest;
  for (const CLI::Option* option : app.get_options()) {
    const std::string name = option->get_name();
    if (shared_prefix(name, first) > std::max<std::size_t>(4, shared_prefix(nearest, first))) {
      nearest = name;
    }
  }
  return std::invalid_argument(concat("there is no option ", first,
                                      nearest.empty() ? "" : "; did you mean " + nearest + "?",
                                      " (--help lists the options)"));
}

}  // namespace

CommandLine::Option& CommandLine::Option::positive() {
  option_->check(limit("a finite number above 0", [](double x) { return x > 0 && std::isfinite(x); }));
  return *this;
}

CommandLine::Option& CommandLine::Option::non_negative() {
  option_->check(limit("a finite number of at least 0", [](double x) { return x >= 0 && std::isfinite(x); }));
  return *this;
}

CommandLine::Option& CommandLine::Option::between(double low, double high) {
  option_->check(limit(concat("from ", low, " to ", high), [=](double x) { return x >= low && x <= high; }));
  return *this;
}

CommandLine::Option& CommandLine::Option::one_of(std::vector<std::string> choices) {
  option_->check(CLI::IsMember(std::move(choices)));
  return *this;
}

std::string CommandLine::Option::name() const { return option_->get_name(); }

bool CommandLine::Option::given() const { return option_->count() > 0; }

std::string CommandLine::Option::text() const {
  const std::string text = given() ? option_->results().front() : option_->get_default_str();
  const bool flag = option_->get_expected_max() == 0;
  return flag ? (CLI::detail::to_flag_value(text) > 0 ? "true" : "false") : text;
}

void CommandLine::Option::set(const std::string& text) const {
  try {
    option_->add_result(text);
    option_->run_callback();
  } catch (const CLI::ParseError& error) {
    throw usage_error(error);
  }
}

CommandLine::CommandLine(const std::string& description) : app_(std::make_unique<CLI::App>(description)) {
  app_->formatter(std::make_shared<Formatter>());
}

CommandLine::~CommandLine() = default;

CommandLine::Option CommandLine::add_value(const std::string& name, Value value, const std::string& help) {
  return std::visit(
      [&](auto* target) {
        CLI::Option* option = app_->add_option(name, *target, help);
        if (!lacks_default(*target)) {
          option->capture_default_str();
        }
        if constexpr (std::is_same_v<decltype(target), std::uint64_t*>) {
          option->check(unsigned_number());
        }
        if constexpr (std::is_same_v<decltype(target), std::filesystem::path*>) {
          option->check(
              CLI::Validator([](const std::string& text) { return text.empty() ? "must not be empty" : ""; }, ""));
        }
        if (is_list(*target)) {
          option->delimiter(',');
        }
        return Option(option);
      },
      value);
}

CommandLine::Option CommandLine::add_flag(const std::string& name, bool& value, const std::string& help) {
  CLI::Option* flag = app_->add_flag(name, value, help)->default_str("false");
  return Option(flag->multi_option_policy(CLI::MultiOptionPolicy::Throw));  // as of options with a value
}

void CommandLine::example(const std::string& call) { app_->footer(wrapped("Example: " + call, 4, kColumns, " \\")); }

bool CommandLine::parse(int argc, char** argv) {
  app_->name(argc > 0 ? std::filesystem::path(argv[0]).filename().string() : "");
  try {
    app_->parse(argc, argv);
  } catch (const CLI::Success& help) {
    app_->exit(help);
    return false;
  } catch (const CLI::ExtrasError&) {
    throw unknown_error(*app_);
  } catch (const CLI::ParseError& error) {
    throw usage_error(error);
  }
  return true;
}

namespace {

/// Throws if what was printed is lost, unless the caller closed stdout.
void check_output() {
  const bool lost = std::fflush(stdout) != 0 || std::ferror(stdout) != 0;
  const int error = errno;
  if (lost && ::fcntl(STDOUT_FILENO, F_GETFD) >= 0) {
    throw std::runtime_error(concat("cannot write the output: ", std::strerror(error)));
  }
}

}  // namespace

int run_program(const char* program, int (*f)(int argc, char** argv), int argc, char** argv) {
  std::signal(SIGXFSZ, SIG_IGN);  // a file above the limit is an error of its write
  try {
    const int code = f(argc, argv);
    check_output();
    return code;
  } catch (const std::exception& e) {
    std::string text = e.what();
    std::ranges::replace_if(
        text, [](char c) { return c == '\n' || c == '\t'; }, ' ');
    std::fprintf(stderr, "%s: %s\n", program, printable(text).c_str());
  }
  return 2;
}

}  // namespace evenkeel::examples
