#pragma once

#include "evenkeel/autograd/tensor.hpp"

#include <vector>

namespace evenkeel {

// Parts of a tensor, and its elements in another order.

/// Parts of `split_size` along dim, the last one what is left; views, which in-place ops may write.
std::vector<Tensor> split(const Tensor& x, std::int64_t split_size, std::int64_t dim = 0);
/// Parts of the given sizes, which add up to x's.
std::vector<Tensor> split(const Tensor& x, const std::vector<std::int64_t>& split_sizes, std::int64_t dim = 0);
/// At most `chunks` parts of equal size, ceil(size / chunks), but the last; of size 0 if x's is.
std::vector<Tensor> chunk(const Tensor& x, std::int64_t chunks, std::int64_t dim = 0);
/// x[0], x[1], ... along dim, which goes; views.
std::vector<Tensor> unbind(const Tensor& x, std::int64_t dim = 0);

/// dim as several dims of the given sizes, whose product is its size; one may be -1.
Tensor unflatten(const Tensor& x, std::int64_t dim, const Shape& sizes);
/// Dims `source` at the places `destination`, the others around them in their order.
Tensor movedim(const Tensor& x, const Dims& source, const Dims& destination);
Tensor movedim(const Tensor& x, std::int64_t source, std::int64_t destination);
/// repeats[i] copies of x one after the other along dim i; more numbers than dims are for new dims in front.
Tensor repeat(const Tensor& x, const Shape& repeats);
/// The same, but fewer numbers than dims are for the last ones.
Tensor tile(const Tensor& x, const Shape& reps);
/// The elements along each of `dims` in reverse order; a copy.
Tensor flip(const Tensor& x, const Dims& dims);
/// Element i goes to i + shift along each dim, around the end: shifts[i] for dims[i]. No dims, one shift: of x as a
/// row.
Tensor roll(const Tensor& x, const Shape& shifts, const Dims& dims = {});
/// The elements of the last two dims with column <= row + diagonal, the others 0.
Tensor tril(const Tensor& x, std::int64_t diagonal = 0);
/// The elements of the last two dims with column >= row + diagonal, the others 0.
Tensor triu(const Tensor& x, std::int64_t diagonal = 0);
/// (*, C r^2, H, W) -> (*, C, H r, W r): y[c][h r + i][w r + j] = x[c r^2 + i r + j][h][w]. Shi et al. 2016,
/// arXiv:1609.05158.
Tensor pixel_shuffle(const Tensor& x, std::int64_t upscale_factor);
/// (*, C, H r, W r) -> (*, C r^2, H, W), the inverse of pixel_shuffle.
Tensor pixel_unshuffle(const Tensor& x, std::int64_t downscale_factor);

}  // namespace evenkeel
