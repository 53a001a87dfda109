// One picture of the shapes set. Every draw is made in the same order for all classes, before the
// class is looked at, so nothing but the outline tells the class. A linear classifier gains nothing
// from colour either: the shape is lighter or darker than its background with equal odds.
#include <algorithm>
#include <cmath>
#include <numbers>
#include <stdexcept>

#include <fmt/format.h>
#include <opencv2/imgproc.hpp>

#include "src/data/shapes.h"

namespace vim::data {
namespace {

using Contour = std::vector<cv::Point2d>;  // in units of the shape's radius, y downwards

constexpr int kOversampling = 4;  // the picture is drawn larger and averaged down
constexpr int kShiftBits = 4;     // fractional bits of OpenCV's coordinates
constexpr int64_t kMinSize = 16;
constexpr int64_t kMaxSize = 512;
constexpr double kMinRadius = 0.24;  // of the picture's side
constexpr double kMaxRadius = 0.38;
constexpr double kMinContrast = 85.0;  // levels of mean brightness between shape and background
constexpr int kCirclePoints = 64;

Contour arc(cv::Point2d centre, double radius, double begin, double end) {
  Contour points;
  for (int i = 0; i <= kCirclePoints; ++i) {
    const double angle = begin + (end - begin) * i / kCirclePoints;
    points.push_back(centre + radius * cv::Point2d(std::cos(angle), std::sin(angle)));
  }
  return points;
}

Contour circle(double radius) { return arc({0, 0}, radius, 0, 2 * std::numbers::pi); }

// `corners` points whose distance from the middle alternates between 1 and `inner`.
Contour spokes(int corners, double inner) {
  Contour points;
  for (int i = 0; i < corners; ++i) {
    const double angle = 2 * std::numbers::pi * i / corners;
    const double radius = i % 2 == 0 ? 1.0 : inner;
    points.emplace_back(radius * std::cos(angle), radius * std::sin(angle));
  }
  return points;
}

// The unit disc less another one shifted to the right.
Contour crescent() {
  constexpr double kShift = 0.5;
  constexpr double kInner = 0.8;
  const double x = (1 + kShift * kShift - kInner * kInner) / (2 * kShift);
  const double outer_angle = std::acos(x);
  const double inner_angle = std::atan2(std::sin(outer_angle), x - kShift);
  const double turn = 2 * std::numbers::pi;
  Contour points = arc({0, 0}, 1.0, outer_angle, turn - outer_angle);
  const Contour inside = arc({kShift, 0}, kInner, turn - inner_angle, inner_angle);
  points.insert(points.end(), inside.begin(), inside.end());
  return points;
}

Contour cross() {
  constexpr double kArm = 0.27;
  const double end = std::sqrt(1 - kArm * kArm);
  return {
      {kArm, kArm},
      {end, kArm},
      {end, -kArm},
      {kArm, -kArm},
      {kArm, -end},
      {-kArm, -end},
      {-kArm, -kArm},
      {-end, -kArm},
      {-end, kArm},
      {-kArm, kArm},
      {-kArm, end},
      {kArm, end}};
}

// Contours of a class; a second one is a hole. The order is that of shape_names().
std::vector<Contour> outline(int64_t class_index) {
  switch (class_index) {
    case 0:  // arrow
      return {
          {{1, 0},
           {0.1, 0.85},
           {0.1, 0.3},
           {-0.95, 0.3},
           {-0.95, -0.3},
           {0.1, -0.3},
           {0.1, -0.85}}};
    case 1:  // bar
      return {{{0.97, 0.24}, {0.97, -0.24}, {-0.97, -0.24}, {-0.97, 0.24}}};
    case 2:  // circle
      return {circle(0.9)};
    case 3:  // crescent
      return {crescent()};
    case 4:  // cross
      return {cross()};
    case 5:  // hourglass
      return {{{0.8, 0.6}, {0.8, -0.6}, {0, -0.12}, {-0.8, -0.6}, {-0.8, 0.6}, {0, 0.12}}};
    case 6:  // ring
      return {circle(1.0), circle(0.58)};
    case 7:  // square
      return {spokes(4, 1.0)};
    case 8:  // star
      return {spokes(10, 0.42)};
    default:  // triangle
      return {{{1, 0}, {-0.5, 0.866}, {-0.5, -0.866}}};
  }
}

cv::Scalar random_colour(core::Random& random, double low, double high) {
  const double red = random.uniform(low, high);
  const double green = random.uniform(low, high);
  return {red, green, random.uniform(low, high)};
}

double brightness(const cv::Scalar& colour) { return (colour[0] + colour[1] + colour[2]) / 3; }

cv::Scalar clamp_colour(const cv::Scalar& colour) {
  const auto clamp = [](double value) { return std::clamp(value, 0.0, 255.0); };
  return {clamp(colour[0]), clamp(colour[1]), clamp(colour[2])};
}

// A colour whose brightness differs from the background's by kMinContrast or more, on either side
// with equal odds.
cv::Scalar contrasting_colour(core::Random& random, const cv::Scalar& background, bool is_lighter) {
  const double base = brightness(background);
  const double low = is_lighter ? base + kMinContrast : 0.0;
  const double high = is_lighter ? 255.0 : base - kMinContrast;
  const double target = random.uniform(low, high);
  const double room = std::min({target, 255.0 - target, 60.0});
  const cv::Scalar tint = random_colour(random, -room, room);
  return clamp_colour(cv::Scalar::all(target - brightness(tint)) + tint);
}

cv::Point random_point(core::Random& random, int side) {
  const double scale = side * (1 << kShiftBits);
  const double x = random.uniform(-0.1, 1.1);
  return {static_cast<int>(x * scale), static_cast<int>(random.uniform(-0.1, 1.1) * scale)};
}

void draw_gradient(cv::Mat& canvas, core::Random& random, const cv::Scalar& colour) {
  const cv::Scalar slope = random_colour(random, -30, 30);
  const double angle = random.uniform(0, 2 * std::numbers::pi);
  const double step_x = std::cos(angle) / canvas.cols;
  const double step_y = std::sin(angle) / canvas.rows;
  for (int y = 0; y < canvas.rows; ++y) {
    uint8_t* pixel = canvas.ptr<uint8_t>(y);
    for (int x = 0; x < canvas.cols; ++x, pixel += 3) {
      const double along = (x - canvas.cols / 2) * step_x + (y - canvas.rows / 2) * step_y;
      for (int c = 0; c < 3; ++c) {
        pixel[c] = cv::saturate_cast<uint8_t>(colour[c] + along * slope[c]);
      }
    }
  }
}

// Soft spots and thin lines in colours near the background's.
void draw_clutter(cv::Mat& canvas, core::Random& random, const cv::Scalar& colour) {
  const int side = canvas.cols;
  const int64_t num_blobs = random.uniform_int(2, 5);
  for (int64_t i = 0; i < num_blobs; ++i) {
    const cv::Scalar tone = clamp_colour(colour + random_colour(random, -32, 32));
    const double radius = side * random.uniform(0.08, 0.25);
    const cv::Size axes(
        static_cast<int>(radius * (1 << kShiftBits)),
        static_cast<int>(radius * random.uniform(0.5, 1.0) * (1 << kShiftBits)));
    const double angle = random.uniform(0, 180);
    const cv::Point centre = random_point(random, side);
    cv::ellipse(canvas, centre, axes, angle, 0, 360, tone, cv::FILLED, cv::LINE_AA, kShiftBits);
  }
  cv::GaussianBlur(canvas, canvas, {}, side * 0.03);
  const int64_t num_lines = random.uniform_int(1, 4);
  for (int64_t i = 0; i < num_lines; ++i) {
    const cv::Scalar tone = clamp_colour(colour + random_colour(random, -50, 50));
    const cv::Point from = random_point(random, side);
    const cv::Point to = random_point(random, side);
    const auto thickness = static_cast<int>(random.uniform_int(1, std::max(1, side / 48)));
    cv::line(canvas, from, to, tone, thickness, cv::LINE_AA, kShiftBits);
  }
}

// Where and how large; in pixels of the canvas.
struct Pose {
  cv::Point2d centre;
  double radius = 0;
  double angle = 0;
};

Pose random_pose(core::Random& random, int side) {
  Pose pose;
  pose.radius = side * random.uniform(kMinRadius, kMaxRadius);
  const double slack = side - 2 * pose.radius;
  pose.centre.x = pose.radius + slack * random.uniform(0, 1);
  pose.centre.y = pose.radius + slack * random.uniform(0, 1);
  pose.angle = random.uniform(0, 2 * std::numbers::pi);
  return pose;
}

void fill_outline(
    cv::Mat& canvas,
    const std::vector<Contour>& contours,
    const Pose& pose,
    const cv::Scalar& colour) {
  const double cosine = std::cos(pose.angle);
  const double sine = std::sin(pose.angle);
  std::vector<std::vector<cv::Point>> placed;
  for (const Contour& contour : contours) {
    std::vector<cv::Point>& points = placed.emplace_back();
    for (const cv::Point2d& point : contour) {
      const cv::Point2d turned(
          point.x * cosine - point.y * sine, point.x * sine + point.y * cosine);
      const cv::Point2d at = (pose.centre + pose.radius * turned) * (1 << kShiftBits);
      points.emplace_back(static_cast<int>(std::lround(at.x)), static_cast<int>(std::lround(at.y)));
    }
  }
  cv::fillPoly(canvas, placed, colour, cv::LINE_AA, kShiftBits);
}

void add_noise(cv::Mat& picture, core::Random& random) {
  const double amplitude = random.uniform(0, 12);
  for (int y = 0; y < picture.rows; ++y) {
    uint8_t* row = picture.ptr<uint8_t>(y);
    for (int i = 0; i < picture.cols * 3; ++i) {
      const double offset = amplitude * (2.0 * static_cast<double>(random.uniform()) - 1.0);
      row[i] = cv::saturate_cast<uint8_t>(row[i] + offset);
    }
  }
}

}  // namespace

Image draw_shape(int64_t class_index, int64_t size, const core::RandomKey& key) {
  const auto num_classes = static_cast<int64_t>(shape_names().size());
  if (class_index < 0 || class_index >= num_classes || size < kMinSize || size > kMaxSize) {
    throw std::invalid_argument(fmt::format(
        "draw_shape: class in [0, {}) and size in [{}, {}] required, got {} and {}",
        num_classes,
        kMinSize,
        kMaxSize,
        class_index,
        size));
  }
  core::Random random(key);
  const int side = static_cast<int>(size) * kOversampling;
  const bool is_lighter = random.uniform() < 0.5F;
  // The range leaves room for the contrast on the chosen side.
  const cv::Scalar background =
      is_lighter ? random_colour(random, 15, 150) : random_colour(random, 105, 240);
  const cv::Scalar colour = contrasting_colour(random, background, is_lighter);
  const Pose pose = random_pose(random, side);
  cv::Mat canvas(side, side, CV_8UC3);
  draw_gradient(canvas, random, background);
  draw_clutter(canvas, random, background);
  fill_outline(canvas, outline(class_index), pose, colour);

  Image image{size, size, std::vector<uint8_t>(static_cast<size_t>(size * size * 3))};
  cv::Mat picture(static_cast<int>(size), static_cast<int>(size), CV_8UC3, image.pixels.data());
  cv::resize(canvas, picture, picture.size(), 0, 0, cv::INTER_AREA);
  add_noise(picture, random);
  return image;
}

}  // namespace vim::data
