#include "evenkeel/core/print.hpp"

#include "evenkeel/core/array_ops.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <ostream>

namespace evenkeel {
namespace {

constexpr int kMaxPrecision = 60;

// How every number of one array is written, chosen from all that are shown.
struct NumberFormat {
  enum class Mode { whole, fixed, scientific } mode = Mode::whole;
  int precision = 0;

  std::string operator()(double value) const {
    if (std::isnan(value)) {
      return "nan";  // without the sign that the C library may show
    }
    if (std::isinf(value)) {
      return value > 0 ? "inf" : "-inf";
    }
    std::array<char, std::numeric_limits<double>::max_exponent10 + kMaxPrecision + 16> text{};
    const auto style = mode == Mode::scientific ? std::chars_format::scientific : std::chars_format::fixed;
    const auto end =
        std::to_chars(text.data(), text.data() + text.size(), value, style, mode == Mode::whole ? 0 : precision).ptr;
    return std::string(text.data(), end) + (mode == Mode::whole ? "." : "");
  }
};

// PyTorch's rules: whole numbers are written "1.", others with `precision` digits, and scientifically if the range is
// wide; zeros and non-finite values do not count.
NumberFormat choose_format(const std::vector<double>& values, int precision) {
  double smallest = std::numeric_limits<double>::infinity();
  double largest = 0;
  bool whole = true;
  for (double value : values) {
    if (std::isfinite(value) && value != 0) {
      smallest = std::min(smallest, std::abs(value));
      largest = std::max(largest, std::abs(value));
      whole = whole && value == std::ceil(value);
    }
  }
  const bool wide = largest > 0 && (largest / smallest > 1000 || largest > 1e8 || (!whole && smallest < 1e-4));
  using Mode = NumberFormat::Mode;
  return {wide ? Mode::scientific : whole ? Mode::whole : Mode::fixed, precision};
}

struct Cells {
  std::vector<std::string> texts;  // row-major
  std::size_t width = 1;           // non-finite values and zeros may be shorter or longer, as in PyTorch
};

Cells format_floats(const std::vector<double>& values, int precision) {
  Cells cells;
  const NumberFormat format = choose_format(values, precision);
  for (double value : values) {
    cells.texts.push_back(format(value));
    if (std::isfinite(value) && value != 0) {
      cells.width = std::max(cells.width, cells.texts.back().size());
    }
  }
  return cells;
}

template <class T>
Cells format_integers(const std::vector<T>& values) {
  Cells cells;
  for (const T value : values) {
    cells.texts.push_back(std::is_same_v<T, bool> ? (value ? "True" : "False") : std::to_string(value));
    cells.width = std::max(cells.width, cells.texts.back().size());
  }
  return cells;
}

Cells format_cells(const Array& array, int precision) {
  Cells cells = dispatch_all(array.dtype(), [&]<class T>() {
    if constexpr (std::is_floating_point_v<T>) {
      return format_floats(array.to(DType::float64).to_vector<double>(), precision);
    } else {
      return format_integers(array.to_vector<T>());
    }
  });
  for (std::string& text : cells.texts) {
    text.insert(0, cells.width - std::min(cells.width, text.size()), ' ');
  }
  return cells;
}

// Puts cells into brackets and lines. `cut` marks the dims of which only the edges are shown.
class Layout {
 public:
  Layout(const Array& shown, std::array<bool, Shape::kMaxRank> cut, const PrintOptions& options)
      : cells_(format_cells(shown, options.precision)), shape_(shown.shape()), cut_(cut), options_(options) {}

  std::string text(std::size_t indent) { return shape_.empty() ? cells_.texts.front() : block(0, indent); }

 private:
  std::string block(int d, std::size_t indent) {
    const bool innermost = d == shape_.rank() - 1;
    std::vector<std::string> parts;
    for (std::int64_t i = 0; i < shape_[d]; ++i) {
      if (cut_[static_cast<std::size_t>(d)] && i == options_.edge_items) {
        parts.push_back(innermost ? " ..." : "...");
      }
      parts.push_back(innermost ? cells_.texts[next_++] : block(d + 1, indent + 1));
    }
    const std::string new_line(static_cast<std::size_t>(std::max(1, shape_.rank() - 1 - d)), '\n');
    const std::string break_line = "," + new_line + std::string(indent + 1, ' ');
    const std::size_t per_line = innermost ? cells_per_line(indent) : 1;
    std::string result = "[";
    for (std::size_t i = 0; i < parts.size(); ++i) {
      result += (i == 0 ? "" : i % per_line == 0 ? break_line : ", ") + parts[i];
    }
    return result + "]";
  }

  std::size_t cells_per_line(std::size_t indent) const {
    const auto width = static_cast<std::size_t>(options_.line_width);
    return std::max<std::size_t>(1, (width - std::min(width, indent)) / (cells_.width + 2));
  }

  Cells cells_;
  Shape shape_;
  std::array<bool, Shape::kMaxRank> cut_;
  const PrintOptions& options_;
  std::size_t next_ = 0;  // cells are used in order
};

std::string format_values(const Array& array, const PrintOptions& options, std::size_t indent) {
  if (array.numel() == 0) {
    return "[]";
  }
  Array shown = array;
  std::array<bool, Shape::kMaxRank> cut{};
  const std::int64_t edge = options.edge_items;
  for (int d = 0; d < array.rank() && array.numel() > options.threshold; ++d) {
    if (array.shape()[d] > 2 * edge) {
      cut[static_cast<std::size_t>(d)] = true;
      const std::int64_t size = array.shape()[d];
      shown = concat_arrays({shown.slice(d, 0, edge), shown.slice(d, size - edge, size)}, d);
    }
  }
  return Layout(shown, cut, options).text(indent);
}

// The shape and dtype where the values do not tell them.
std::vector<std::string> implied_suffixes(const Array& array) {
  std::vector<std::string> suffixes;
  const bool none = array.numel() == 0;
  if (none && array.rank() != 1) {
    std::string size;
    for (std::int64_t n : array.shape()) {
      size += (size.empty() ? "" : ", ") + std::to_string(n);
    }
    suffixes.push_back("size=(" + size + ")");
  }
  const DType dtype = array.dtype();
  const bool obvious = dtype == DType::float32 || (!none && (dtype == DType::int64 || dtype == DType::boolean));
  if (!obvious) {
    suffixes.push_back("dtype=torch." + std::string(name(dtype)));
  }
  return suffixes;
}

}  // namespace

std::string to_string(const Array& array, const PrintOptions& options, const std::vector<std::string>& suffixes) {
  if (!array.defined()) {
    return "tensor(undefined)";
  }
  require(options.precision >= 0 && options.precision <= kMaxPrecision, "to_string", "precision must lie in 0..",
          kMaxPrecision, ", got ", options.precision);
  require(options.edge_items >= 1 && options.line_width >= 1, "to_string",
          "edge_items and line_width must be at least 1, got ", options.edge_items, " and ", options.line_width);
  const std::string prefix = "tensor(";
  std::string text = prefix + format_values(array, options, prefix.size());
  const std::size_t line_start = text.rfind('\n');
  std::size_t line = line_start == std::string::npos ? text.size() + 2 : text.size() - line_start + 1;
  std::vector<std::string> all = implied_suffixes(array);
  all.insert(all.end(), suffixes.begin(), suffixes.end());
  for (const std::string& suffix : all) {
    if (line + suffix.size() + 2 > static_cast<std::size_t>(options.line_width)) {
      text += ",\n" + std::string(prefix.size(), ' ') + suffix;
      line = prefix.size() + suffix.size();
    } else {
      text += ", " + suffix;
      line += suffix.size() + 2;
    }
  }
  return text + ")";
}

std::ostream& operator<<(std::ostream& out, const Array& array) { return out << to_string(array); }

}  // namespace evenkeel
