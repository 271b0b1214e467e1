#include "evenkeel/autograd/ops/einsum.hpp"

#include "evenkeel/autograd/ops/arithmetic.hpp"
#include "evenkeel/autograd/ops/checks.hpp"
#include "evenkeel/autograd/ops/linalg.hpp"
#include "evenkeel/autograd/ops/reduce.hpp"
#include "evenkeel/autograd/ops/shape.hpp"

#include <algorithm>
#include <cctype>
#include <map>
#include <string>

namespace evenkeel {
namespace {

/// One label per dim: a letter's code, or below 0 for a dim of "...", counted from the right (the last is -1), so that
/// those of all operands align.
using Labels = std::vector<int>;
constexpr int kEllipsis = 0;  // "..." in a term that was read, before its dims are known

bool has(const Labels& labels, int label) { return std::find(labels.begin(), labels.end(), label) != labels.end(); }

/// An operand, or what has become of some.
struct Factor {
  Tensor value;
  Labels labels;
};

struct Terms {
  std::vector<Labels> operands;
  Labels result;
  bool explicit_result = false;
};

/// The equation in labels, where "..." is one label.
Terms read_equation(std::string_view equation) {
  Terms terms{.operands = {{}}, .result = {}};
  for (std::size_t i = 0; i < equation.size(); ++i) {
    const char c = equation[i];
    Labels& term = terms.explicit_result ? terms.result : terms.operands.back();
    if (std::isalpha(static_cast<unsigned char>(c)) != 0) {
      term.push_back(c);
    } else if (equation.substr(i, 3) == "...") {
      require(!has(term, kEllipsis), "einsum", "found '...' twice in one term of '", equation, "'");
      term.push_back(kEllipsis);
      i += 2;
    } else if (equation.substr(i, 2) == "->" && !terms.explicit_result) {
      terms.explicit_result = true;
      ++i;
    } else if (c == ',' && !terms.explicit_result) {
      terms.operands.emplace_back();
    } else {
      require(c == ' ', "einsum", "invalid subscript given at index ", i, " in the equation string '", equation,
              "', subscripts must be in [a-zA-Z]");
    }
  }
  return terms;
}

/// labels with the dims of "...", of which there are `dims`.
Labels with_ellipsis(const Labels& labels, int dims) {
  Labels all;
  for (const int label : labels) {
    if (label != kEllipsis) {
      all.push_back(label);
    }
    for (int d = dims; label == kEllipsis && d > 0; --d) {
      all.push_back(-d);
    }
  }
  return all;
}

/// The result's labels where the equation does not say them.
Labels implied_result(const std::vector<Factor>& factors, int ellipsis_dims) {
  std::map<int, int> count;
  for (const Factor& factor : factors) {
    for (const int label : factor.labels) {
      ++count[label];
    }
  }
  Labels result = with_ellipsis({kEllipsis}, ellipsis_dims);
  for (const auto& [label, times] : count) {
    if (label > 0 && times == 1) {
      result.push_back(label);
    }
  }
  return result;
}

/// Rearranges so that `labels`, all of the factor's, have that order.
Tensor in_order(const Factor& factor, const Labels& labels) {
  Dims order;
  for (const int label : labels) {
    order.push_back(std::find(factor.labels.begin(), factor.labels.end(), label) - factor.labels.begin());
  }
  return permute(factor.value, order);
}

/// The diagonal along two dims of one label: both as one dim at the end, of which every (n + 1)-th element.
Factor diagonal(const Factor& factor, int label) {
  Labels others, order;
  std::remove_copy(factor.labels.begin(), factor.labels.end(), std::back_inserter(others), label);
  const auto first = std::find(factor.labels.begin(), factor.labels.end(), label);
  const auto second = std::find(first + 1, factor.labels.end(), label);
  Dims dims;
  Shape shape;
  for (int d = 0; d < factor.value.rank(); ++d) {
    if (d != first - factor.labels.begin() && d != second - factor.labels.begin()) {
      dims.push_back(d);
      shape.push_back(factor.value.shape()[d]);
      order.push_back(factor.labels[static_cast<std::size_t>(d)]);
    }
  }
  const std::int64_t size = factor.value.size(first - factor.labels.begin());
  dims.push_back(first - factor.labels.begin());
  dims.push_back(second - factor.labels.begin());
  shape.push_back(size * size);
  order.push_back(label);
  return {slice(reshape(permute(factor.value, dims), shape), -1, 0, size * size, size + 1), order};
}

/// Each label once, and none of size 1: those stand for no sum and no product.
Factor simplified(Factor factor) {
  for (const int label : Labels(factor.labels)) {
    while (std::count(factor.labels.begin(), factor.labels.end(), label) > 1) {
      factor = diagonal(factor, label);
    }
  }
  Labels kept;
  Shape shape;
  for (std::size_t i = 0; i < factor.labels.size(); ++i) {
    if (const std::int64_t size = factor.value.shape()[static_cast<int>(i)]; size != 1) {
      shape.push_back(size);
      kept.push_back(factor.labels[i]);
    }
  }
  return {reshape(factor.value, shape), kept};
}

/// Sums over the labels that are not among `needed`.
Factor summed(const Factor& factor, const Labels& needed) {
  Labels kept;
  Dims dims;
  for (std::size_t i = 0; i < factor.labels.size(); ++i) {
    if (has(needed, factor.labels[i])) {
      kept.push_back(factor.labels[i]);
    } else {
      dims.push_back(static_cast<std::int64_t>(i));
    }
  }
  return dims.empty() ? factor : Factor{sum(factor.value, dims), kept};
}

Labels joined(const Labels& a, const Labels& b) {
  Labels all = a;
  all.insert(all.end(), b.begin(), b.end());
  return all;
}

/// How a product of two sees their labels.
struct Roles {
  Labels batch, left, right, contracted;

  Roles(const Factor& a, const Factor& b, const Labels& needed) {
    for (const int label : a.labels) {
      const bool both = has(b.labels, label);
      (both ? has(needed, label) ? batch : contracted : left).push_back(label);
    }
    std::copy_if(b.labels.begin(), b.labels.end(), std::back_inserter(right),
                 [&](int label) { return !has(a.labels, label); });
  }
};

/// Elements of the factor's dims that are among `labels`.
std::int64_t elements_of(const Factor& factor, const Labels& labels) {
  std::int64_t product = 1;
  for (std::size_t i = 0; i < factor.labels.size(); ++i) {
    product *= has(labels, factor.labels[i]) ? factor.value.shape()[static_cast<int>(i)] : 1;
  }
  return product;
}

/// The product of two, summed over what is not among `needed`.
Factor contracted(Factor a, Factor b, const Labels& needed) {
  a = summed(a, joined(needed, b.labels));
  b = summed(b, joined(needed, a.labels));
  const Roles roles(a, b, needed);
  const Labels labels = joined(joined(roles.batch, roles.left), roles.right);
  Shape shape;
  for (const int label : labels) {
    shape.push_back(elements_of(has(a.labels, label) ? a : b, {label}));
  }
  const std::int64_t n = elements_of(a, roles.batch), m = elements_of(a, roles.left),
                     k = elements_of(a, roles.contracted);
  const std::int64_t l = elements_of(b, roles.right);
  const Tensor x = in_order(a, joined(joined(roles.batch, roles.left), roles.contracted));
  const Tensor y = in_order(b, joined(joined(roles.batch, roles.contracted), roles.right));
  if (roles.contracted.empty()) {
    return {reshape(reshape(x, {n, m, 1}) * reshape(y, {n, 1, l}), shape), labels};
  }
  if (!roles.batch.empty() && roles.left.empty() && roles.right.empty()) {  // rows times rows: matrices of one element
    return {reshape(sum(reshape(x, {n, k}) * reshape(y, {n, k}), {1}), shape), labels};
  }
  if (roles.batch.empty()) {
    return {reshape(matmul(reshape(x, {m, k}), reshape(y, {k, l})), shape), labels};
  }
  return {reshape(matmul(reshape(x, {n, m, k}), reshape(y, {n, k, l})), shape), labels};
}

/// The size of each label; checks that those of one label are one size or 1.
std::map<int, std::int64_t> sizes_of(const std::vector<Factor>& factors) {
  std::map<int, std::int64_t> sizes;
  for (std::size_t f = 0; f < factors.size(); ++f) {
    const Factor& factor = factors[f];
    std::map<int, std::int64_t> own;
    for (std::size_t d = 0; d < factor.labels.size(); ++d) {
      const int label = factor.labels[d];
      const std::string name = label > 0 ? std::string(1, static_cast<char>(label)) : "...";
      const std::int64_t size = factor.value.shape()[static_cast<int>(d)];
      const auto twice = own.emplace(label, size);
      require<ShapeError>(twice.first->second == size, "einsum", "subscript ", name, " is repeated for operand ", f,
                          " but the sizes don't match, expected ", twice.first->second, ", got ", size, " in shape ",
                          factor.value.shape());
      std::int64_t& known = sizes.emplace(label, size).first->second;
      require<ShapeError>(known == size || known == 1 || size == 1, "einsum", "operands do not broadcast: subscript ",
                          name, " of operand ", f, " expected size ", known, ", got ", size, " in shape ",
                          factor.value.shape());
      known = known == 1 ? size : known;
    }
  }
  return sizes;
}

/// The operands with a label for each dim; `ellipsis_dims`: those of the longest "...".
std::vector<Factor> factors_of(const Terms& terms, const std::vector<Tensor>& operands, int& ellipsis_dims) {
  require(terms.operands.size() == operands.size(), "einsum", "the equation expected ", terms.operands.size(),
          " operands, got ", operands.size());
  std::vector<Factor> factors;
  for (std::size_t i = 0; i < operands.size(); ++i) {
    check_defined("einsum", operands[i]);
    const Labels& term = terms.operands[i];
    const bool open = has(term, kEllipsis);
    const int named = static_cast<int>(term.size()) - (open ? 1 : 0);
    const int rank = operands[i].rank();
    require<ShapeError>(open ? named <= rank : named == rank, "einsum", "the number of subscripts in the equation (",
                        named, ") does not match the number of dimensions (", rank, ") for operand ", i, " of shape ",
                        operands[i].shape(), open ? "" : " and no ellipsis was given");
    ellipsis_dims = std::max(ellipsis_dims, open ? rank - named : 0);
    factors.push_back({operands[i], with_ellipsis(term, rank - named)});
  }
  return factors;
}

}  // namespace

Tensor einsum(std::string_view equation, const std::vector<Tensor>& operands) {
  const Terms terms = read_equation(equation);
  int ellipsis_dims = 0;
  std::vector<Factor> factors = factors_of(terms, operands, ellipsis_dims);
  const std::map<int, std::int64_t> sizes = sizes_of(factors);
  const Labels result =
      terms.explicit_result ? with_ellipsis(terms.result, ellipsis_dims) : implied_result(factors, ellipsis_dims);
  Shape shape;
  Labels order;
  for (const int label : result) {
    const std::string name(1, static_cast<char>(label));
    require(sizes.contains(label), "einsum", "output subscript ", name,
            " does not appear in the equation for any input operand: '", equation, "'");
    require(std::count(result.begin(), result.end(), label) == 1, "einsum", "output subscript ", name,
            " appears more than once in the output: '", equation, "'");
    shape.push_back(sizes.at(label));
    if (sizes.at(label) != 1) {
      order.push_back(label);
    }
  }
  Factor product = simplified(factors[0]);
  for (std::size_t i = 1; i < factors.size(); ++i) {
    Labels needed = result;
    for (std::size_t later = i + 1; later < factors.size(); ++later) {
      needed = joined(needed, factors[later].labels);
    }
    product = contracted(product, simplified(factors[i]), needed);
  }
  return reshape(in_order(summed(product, result), order), shape);
}

}  // namespace evenkeel
