#include "evenkeel/data/synthetic_digits.hpp"

#include "evenkeel/core/random.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <vector>

namespace evenkeel::data {
namespace {

using std::numbers::pi;

struct Point {
  double x, y;
};
using Stroke = std::vector<Point>;
using Glyph = std::vector<Stroke>;

/// Points on an ellipse from one angle to another, in degrees; 0 is right, 90 is down.
Stroke arc(Point center, Point radius, double from, double to) {
  constexpr int kPieces = 12;
  Stroke stroke;
  for (int i = 0; i <= kPieces; ++i) {
    const double angle = (from + (to - from) * i / kPieces) * pi / 180;
    stroke.push_back({center.x + radius.x * std::cos(angle), center.y + radius.y * std::sin(angle)});
  }
  return stroke;
}

Stroke operator+(Stroke a, const Stroke& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

/// The strokes of the ten digits in the unit square, y down.
const std::array<Glyph, 10>& glyphs() {
  static const std::array<Glyph, 10> kGlyphs = {{
      {arc({.5, .5}, {.35, .47}, 0, 360)},
      {{{.28, .24}, {.56, .03}, {.56, .97}}},
      {arc({.5, .29}, {.33, .26}, -170, 35) + Stroke{{.15, .95}, {.88, .95}}},
      {arc({.45, .27}, {.32, .24}, -150, 80), arc({.45, .73}, {.37, .25}, -80, 150)},
      {{{.68, .97}, {.68, .03}, {.12, .66}, {.92, .66}}},
      {Stroke{{.82, .05}, {.27, .05}, {.22, .44}} + arc({.47, .67}, {.36, .28}, -120, 145)},
      {arc({.78, .68}, {.6, .64}, -95, -180) + arc({.5, .7}, {.32, .26}, -180, 180)},
      {{{.12, .05}, {.87, .05}, {.4, .97}}},
      {arc({.5, .27}, {.27, .23}, 0, 360), arc({.5, .73}, {.34, .24}, 0, 360)},
      {arc({.5, .3}, {.32, .26}, 0, 360) + arc({.22, .32}, {.6, .64}, 0, 85)},
  }};
  return kGlyphs;
}

struct Range {
  double low, high;
  double draw(Generator& generator) const { return low + (high - low) * generator.uniform(); }
};

/// How much the images of a difficulty vary. Lengths are parts of the image's size, colours parts of white.
struct Style {
  Range height, aspect;     ///< of the glyph; width = height * aspect
  double rotation, shear;   ///< at most, to both sides; radians
  double wobble;            ///< of the strokes, part of the glyph's size
  Range width;              ///< of the stroke, pixels
  Range contrast;           ///< between glyph and background
  Range hidden;             ///< width of a band that is wiped out of the glyph, part of its height
  int clutter;              ///< up to so many stray strokes
  double clutter_contrast;  ///< part of the glyph's, at most
  double noise;             ///< largest deviation of a pixel
};

constexpr Style kNormal{.height = {.55, .7},
                        .aspect = {.65, .85},
                        .rotation = .1,
                        .shear = .1,
                        .wobble = .015,
                        .width = {1.8, 2.6},
                        .contrast = {.6, .9},
                        .hidden = {0, 0},
                        .clutter = 2,
                        .clutter_contrast = .4,
                        .noise = .06};
constexpr Style kHard{.height = {.5, .72},
                      .aspect = {.6, .9},
                      .rotation = .2,
                      .shear = .2,
                      .wobble = .02,
                      .width = {1.6, 2.8},
                      .contrast = {.4, .8},
                      .hidden = {.05, .42},
                      .clutter = 2,
                      .clutter_contrast = .8,
                      .noise = .1};

/// The part of each pixel that strokes cover, drawn with soft edges.
class Canvas {
 public:
  explicit Canvas(std::int64_t side) : side_(side), cover_(static_cast<std::size_t>(side * side)) {}

  const std::vector<float>& cover() const { return cover_; }

  void draw(Point a, Point b, double width, double strength) {
    const auto reach = static_cast<float>(width / 2 + .5);
    const auto ax = static_cast<float>(a.x), ay = static_cast<float>(a.y);
    const auto dx = static_cast<float>(b.x) - ax, dy = static_cast<float>(b.y) - ay;
    const float inverse = 1 / std::max(dx * dx + dy * dy, 1e-6F);
    const auto [left, right] = pixels(a.x, b.x, reach);
    const auto [top, bottom] = pixels(a.y, b.y, reach);
    for (std::int64_t y = top; y <= bottom; ++y) {
      for (std::int64_t x = left; x <= right; ++x) {
        const float px = static_cast<float>(x) - ax, py = static_cast<float>(y) - ay;
        const float t = std::clamp((px * dx + py * dy) * inverse, 0.F, 1.F);
        const float ex = px - t * dx, ey = py - t * dy;
        const float squared = ex * ex + ey * ey;
        if (squared < reach * reach) {
          float& cover = cover_[static_cast<std::size_t>(y * side_ + x)];
          cover = std::max(cover, std::min(reach - std::sqrt(squared), 1.F) * static_cast<float>(strength));
        }
      }
    }
  }

  /// Wipes out a band around the line through `center` at an angle.
  void wipe(Point center, double angle, double width) {
    const double nx = -std::sin(angle), ny = std::cos(angle);
    for (std::int64_t y = 0; y < side_; ++y) {
      for (std::int64_t x = 0; x < side_; ++x) {
        const double away = nx * (static_cast<double>(x) - center.x) + ny * (static_cast<double>(y) - center.y);
        if (std::abs(away) < width / 2) {
          cover_[static_cast<std::size_t>(y * side_ + x)] = 0;
        }
      }
    }
  }

 private:
  std::pair<std::int64_t, std::int64_t> pixels(double a, double b, double reach) const {
    const auto limit = static_cast<double>(side_ - 1);
    return {static_cast<std::int64_t>(std::clamp(std::ceil(std::min(a, b) - reach), 0., limit)),
            static_cast<std::int64_t>(std::clamp(std::floor(std::max(a, b) + reach), 0., limit))};
  }

  std::int64_t side_;
  std::vector<float> cover_;
};

/// A random affine map of the unit square into the image, with a wave along the strokes.
class Warp {
 public:
  Warp(const Style& style, double side, Generator& generator) {
    const double height = height_ = style.height.draw(generator) * side;
    const double width = height * style.aspect.draw(generator);
    const double angle = Range{-style.rotation, style.rotation}.draw(generator);
    const double shear = Range{-style.shear, style.shear}.draw(generator);
    xx_ = width * std::cos(angle);
    yx_ = width * std::sin(angle);
    xy_ = height * (shear * std::cos(angle) - std::sin(angle));
    yy_ = height * (shear * std::sin(angle) + std::cos(angle));
    // The glyph's bounding box stays inside the image, up to a pixel.
    const double half_x = (std::abs(xx_) + std::abs(xy_)) / 2 + 1, half_y = (std::abs(yx_) + std::abs(yy_)) / 2 + 1;
    x_ = free_place(half_x, side).draw(generator);
    y_ = free_place(half_y, side).draw(generator);
    wobble_ = style.wobble;
    phase_x_ = 2 * pi * generator.uniform();
    phase_y_ = 2 * pi * generator.uniform();
  }

  double height() const { return height_; }

  Point operator()(Point p) const {
    const double u = p.x - .5 + wobble_ * std::sin(2 * pi * p.y + phase_x_);
    const double v = p.y - .5 + wobble_ * std::sin(2 * pi * p.x + phase_y_);
    return {x_ + xx_ * u + xy_ * v, y_ + yx_ * u + yy_ * v};
  }

 private:
  static Range free_place(double half, double side) {
    const double low = std::min(half, side / 2);
    return {low, side - low};
  }

  double height_, xx_, xy_, yx_, yy_, x_, y_, wobble_, phase_x_, phase_y_;
};

void draw_clutter(const Style& style, double side, Generator& generator, Canvas& canvas) {
  const std::int64_t count = generator.below(style.clutter + 1);
  for (std::int64_t i = 0; i < count; ++i) {
    const Point a{side * generator.uniform(), side * generator.uniform()};
    const double angle = 2 * pi * generator.uniform();
    const double length = side * Range{.06, .2}.draw(generator);
    const double strength = style.clutter_contrast * Range{.4, 1}.draw(generator);
    canvas.draw(a, {a.x + length * std::cos(angle), a.y + length * std::sin(angle)}, style.width.draw(generator),
                strength);
  }
}

/// Background + contrast * cover + noise, for each channel with colours of its own.
void colorize(const Style& style, const Canvas& canvas, Generator& generator, std::span<std::uint8_t> image) {
  const std::size_t pixels = canvas.cover().size();
  const double contrast = style.contrast.draw(generator);
  for (std::size_t start = 0; start < image.size(); start += pixels) {
    const double tint = std::clamp(contrast * Range{.8, 1.2}.draw(generator), 0., 1.);
    const double background = Range{0, 1 - tint}.draw(generator);
    std::uint32_t words = 0;
    std::array<std::uint32_t, 4> block{};
    for (std::size_t i = 0; i < pixels; ++i) {
      if (i % 8 == 0) {
        block = generator.block(generator.reserve(1));
      }
      words = block[i % 8 / 2] >> (i % 2 * 16);
      const int bytes = static_cast<int>(words & 0xff) + static_cast<int>(words >> 8 & 0xff) - 255;
      const double value = background + tint * static_cast<double>(canvas.cover()[i]) + style.noise * bytes / 255;
      image[start + i] = static_cast<std::uint8_t>(std::lround(std::clamp(value, 0., 1.) * 255));
    }
  }
}

}  // namespace

SyntheticDigits::SyntheticDigits(SyntheticDigitsOptions options) : options_(options) {
  require(options.size >= 0, "SyntheticDigits", "size must be at least 0, got ", options.size);
}

Shape SyntheticDigits::image_shape() const { return options_.color ? Shape{3, 32, 32} : Shape{1, 28, 28}; }

std::int64_t SyntheticDigits::read(std::int64_t index, std::span<std::uint8_t> image) const {
  check_read("SyntheticDigits", *this, index, image.size());
  const Style& style = options_.difficulty == Difficulty::hard ? kHard : kNormal;
  Generator generator =
      Generator(options_.seed).fork(static_cast<std::uint64_t>(options_.split)).fork(static_cast<std::uint64_t>(index));
  const std::int64_t label = generator.below(10);
  const std::int64_t side = image_shape()[2];
  Canvas canvas(side);
  draw_clutter(style, static_cast<double>(side), generator, canvas);
  const Warp warp(style, static_cast<double>(side), generator);
  const double width = style.width.draw(generator);
  for (const Stroke& stroke : glyphs()[static_cast<std::size_t>(label)]) {
    for (std::size_t i = 1; i < stroke.size(); ++i) {
      canvas.draw(warp(stroke[i - 1]), warp(stroke[i]), width, 1);
    }
  }
  if (style.hidden.high > 0) {
    const Point center = warp({Range{.1, .9}.draw(generator), Range{.1, .9}.draw(generator)});
    const double angle = Range{0, pi}.draw(generator);
    canvas.wipe(center, angle, style.hidden.draw(generator) * warp.height());
  }
  colorize(style, canvas, generator, image);
  return label;
}

}  // namespace evenkeel::data
