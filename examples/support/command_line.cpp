#include "examples/support/command_line.hpp"

#include <CLI/CLI.hpp>

#include <cstdio>
#include <stdexcept>

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

/// What CLI11 finds wrong with the call, in one line.
std::invalid_argument usage_error(const CLI::ParseError& error) {
  return std::invalid_argument(std::string(error.what()) + " (--help lists the options)");
}

}  // namespace

CommandLine::Option& CommandLine::Option::positive() {
  option_->check(CLI::PositiveNumber);
  return *this;
}

CommandLine::Option& CommandLine::Option::non_negative() {
  option_->check(CLI::NonNegativeNumber);
  return *this;
}

CommandLine::Option& CommandLine::Option::between(double low, double high) {
  option_->check(CLI::Range(low, high));
  return *this;
}

CommandLine::Option& CommandLine::Option::one_of(std::vector<std::string> choices) {
  option_->check(CLI::IsMember(std::move(choices)));
  return *this;
}

std::string CommandLine::Option::name() const { return option_->get_name(); }

bool CommandLine::Option::given() const { return option_->count() > 0; }

std::string CommandLine::Option::text() const {
  return given() ? option_->results().front() : option_->get_default_str();
}

void CommandLine::Option::set(const std::string& text) const {
  try {
    option_->add_result(text);
    option_->run_callback();
  } catch (const CLI::ParseError& error) {
    throw usage_error(error);
  }
}

CommandLine::CommandLine(const std::string& description) : app_(std::make_unique<CLI::App>(description)) {}

CommandLine::~CommandLine() = default;

CommandLine::Option CommandLine::add_value(const std::string& name, Value value, const std::string& help) {
  return std::visit(
      [&](auto* target) {
        CLI::Option* option = app_->add_option(name, *target, help);
        if (!lacks_default(*target)) {
          option->capture_default_str();
        }
        if (is_list(*target)) {
          option->delimiter(',');
        }
        return Option(option);
      },
      value);
}

CommandLine::Option CommandLine::add_flag(const std::string& name, bool& value, const std::string& help) {
  return Option(app_->add_flag(name, value, help)->default_str("false"));
}

void CommandLine::example(const std::string& call) { app_->footer("Example: " + call); }

bool CommandLine::parse(int argc, char** argv) {
  try {
    app_->parse(argc, argv);
  } catch (const CLI::Success& help) {
    app_->exit(help);
    return false;
  } catch (const CLI::ParseError& error) {
    throw usage_error(error);
  }
  return true;
}

int run_program(const char* program, int (*f)(int argc, char** argv), int argc, char** argv) {
  try {
    return f(argc, argv);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s: %s\n", program, e.what());
  }
  return 2;
}

}  // namespace evenkeel::examples
