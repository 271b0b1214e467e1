#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <variant>
#include <vector>

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace evenkeel::examples {

/// The options of a program. In front of CLI11, which only command_line.cpp includes: it takes seconds to compile.
class CommandLine {
 public:
  /// An option of the program; limits of its value are chained to where it is added.
  class Option {
   public:
    Option& positive();
    Option& non_negative();
    Option& between(double low, double high);
    Option& one_of(std::vector<std::string> choices);
    /// As it was added: "--epochs".
    std::string name() const;
    /// Whether this call has it.
    bool given() const;
    /// Its value in this call, or its default.
    std::string text() const;
    /// Gives it a value, as if this call had it.
    void set(const std::string& text) const;

   private:
    friend class CommandLine;
    explicit Option(CLI::Option* option) : option_(option) {}
    CLI::Option* option_;
  };

  explicit CommandLine(const std::string& description);
  ~CommandLine();

  /// An option "--name", or an argument "name" without dashes, whose value parse() writes to `value`; the default is
  /// what `value` holds now. The items of a vector are separated by commas.
  template <class T>
  Option add(const std::string& name, T& value, const std::string& help = "") {
    return add_value(name, &value, help);
  }
  /// An option without a value: true if the call has it.
  Option add_flag(const std::string& name, bool& value, const std::string& help);
  /// The last line of --help: a call that is of use.
  void example(const std::string& call);

  /// False if the call asked for help, which is printed then. Throws std::invalid_argument where it makes no sense.
  bool parse(int argc, char** argv);

 private:
  using Value = std::variant<int*, std::int64_t*, std::uint64_t*, double*, std::string*, std::filesystem::path*,
                             std::vector<std::int64_t>*, std::vector<std::string>*>;
  Option add_value(const std::string& name, Value value, const std::string& help);

  std::unique_ptr<CLI::App> app_;
};

/// Calls f(); what it throws becomes one line "program: text" on stderr and exit code 2.
int run_program(const char* program, int (*f)(int argc, char** argv), int argc, char** argv);

}  // namespace evenkeel::examples
