// augment_ops, resize, random_resized_crop and eval cases: images as Pillow makes them, which must
// be equal byte for byte. The latter two read image files under VIM_GOLDEN_IMAGES.
#include <ATen/ATen.h>

#include <array>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <nlohmann/json.hpp>

#include "src/core/error.h"
#include "src/data/crop.h"
#include "src/data/image/decode.h"
#include "src/data/image/image_op.h"
#include "src/data/image/resize.h"
#include "src/data/source/read_file.h"
#include "src/data/transform.h"
#include "src/ops/image_batch.h"
#include "tests/golden_runner/cases.h"
#include "tests/support/op_names.h"
#include "tests/support/sha256.h"

namespace vim::golden {
namespace {

using Json = nlohmann::json;

// Of a float32 sum per pixel, or of the sum itself where that is larger.
constexpr double kNormalised = 1e-6;

Check equal(const std::string& what, bool is_equal) { return {what, is_equal ? 0.0 : 1.0, 0.0}; }

data::Image image_of(const at::Tensor& pixels) {
  const auto* begin = pixels.const_data_ptr<uint8_t>();
  return {pixels.size(0), pixels.size(1), {begin, begin + pixels.numel()}};
}

// The largest difference of a value; infinite for another size.
Check compare(const std::string& what, const data::Image& computed, const at::Tensor& stored) {
  const data::Image expected = image_of(stored);
  if (computed.height != expected.height || computed.width != expected.width) {
    return {what + " size", std::numeric_limits<double>::infinity(), 0.0};
  }
  int worst = 0;
  for (size_t i = 0; i < expected.pixels.size(); ++i) {
    worst = std::max(worst, std::abs(int{computed.pixels[i]} - int{expected.pixels[i]}));
  }
  return {what, static_cast<double>(worst), 0.0};
}

// Settings from the file's metadata, or from the JSON beside it.
Json settings_of(const GoldenFile& golden, const std::filesystem::path& path, const char* key) {
  const auto found = golden.metadata.find(key);
  if (found != golden.metadata.end()) {
    return Json::parse(found->second);
  }
  Json json = Json::parse(read_text(std::filesystem::path(path).replace_extension(".json")));
  return json.contains(key) ? json.at(key) : json;
}

std::string images_folder() {
  const char* folder = std::getenv("VIM_GOLDEN_IMAGES");
  if (folder == nullptr || *folder == '\0') {
    throw Skipped("VIM_GOLDEN_IMAGES does not name the folder of the images");
  }
  return folder;
}

std::vector<uint8_t> image_bytes(const std::string& folder, const std::string& name) {
  return data::read_file(folder + "/" + name);
}

data::Image decode_file(const std::string& folder, const std::string& name) {
  return data::decode_image(image_bytes(folder, name));
}

// The view as a loader makes it: of no more pixels than it needs.
data::Image load_view(const std::vector<uint8_t>& bytes, const data::Transform& transform) {
  data::ImageDecoder decoder;
  const data::Size size = decoder.open(bytes);
  const data::ImagePart part = decoder.decode(transform.request(size, {}));
  data::Image view{transform.height(), transform.width(), {}};
  view.pixels.resize(static_cast<size_t>(view.height * view.width * 3));
  transform.resize(part, {}, view.pixels.data());
  return view;
}

// The operation whose name starts the case's, the longest of several: "solarize_add_m9.0".
data::OpKind op_of(const std::string& name) {
  const auto& names = test::op_names();
  auto best = names.end();
  for (auto it = names.begin(); it != names.end(); ++it) {
    const bool is_longer = best == names.end() || it->first.size() > best->first.size();
    best = name.starts_with(it->first) && is_longer ? it : best;
  }
  if (best == names.end()) {
    throw Error("augment_ops: no operation starts the name '" + name + "'; extend op_names.cpp");
  }
  return best->second;
}

// The one argument that an operation takes, whatever it is called.
double amount_of(data::OpKind kind, const Json& arguments) {
  if (kind == data::OpKind::kSolarizeAdd && arguments.value("threshold", 128) != 128) {
    throw Error("augment_ops: solarize_add knows the threshold 128 alone; check the file");
  }
  for (const char* key :
       {"factor", "degrees", "fraction", "bits_to_keep", "add", "threshold", "radius"}) {
    if (arguments.contains(key)) {
      return arguments.at(key).get<double>();
    }
  }
  return 0.0;
}

Check run_op(
    const GoldenFile& golden,
    const std::string& name,
    const Json& arguments,
    const std::array<uint8_t, 3>& fill) {
  const data::OpKind kind = op_of(name);
  const std::string filter = arguments.value("resample", "bicubic");
  data::Image image = image_of(golden.at(arguments.value("input", "input")));
  std::vector<uint8_t> scratch;
  data::apply_op(
      {kind, amount_of(kind, arguments)},
      data::span_of(image),
      {test::interpolation_names().at(filter), fill},
      scratch);
  return compare(name, image, golden.at(name));
}

Check check_sums(const std::string& what, const data::Image& image, const Json& expected) {
  std::array<int64_t, 3> sums{};
  for (size_t i = 0; i < image.pixels.size(); ++i) {
    sums[i % 3] += image.pixels[i];
  }
  return equal(what + " sums", Json(sums) == expected);
}

// Sums of the model's input, and of its squares, for each channel.
void check_normalised(
    const std::string& name,
    const data::Image& view,
    const data::AugmentOptions& augment,
    const Json& expected,
    Checks& checks) {
  const at::Tensor pixels =
      at::tensor(at::ArrayRef<uint8_t>(view.pixels)).view({1, view.height, view.width, 3});
  ops::ImageBatchOptions options;
  options.mean = augment.mean;
  options.std = augment.std;
  const at::Tensor values = ops::image_batch(pixels, {}, options).to(at::kDouble);
  const auto num_pixels = static_cast<double>(view.height * view.width);
  for (int64_t c = 0; c < 3; ++c) {
    const at::Tensor channel = values.select(1, c);
    const auto check = [&](const char* key, const at::Tensor& sum) {
      const double stored = expected.at(key).at(static_cast<size_t>(c)).get<double>();
      const double error =
          std::abs(sum.item<double>() - stored) / std::max(std::abs(stored), num_pixels);
      checks.push_back({name + " " + key, error, kNormalised});
    };
    check("normalised_channel_sums", channel.sum());
    check("normalised_square_sums", channel.square().sum());
  }
}

data::AugmentOptions eval_options(const Json& settings) {
  data::AugmentOptions options;
  options.mean = settings.at("mean").get<std::array<double, 3>>();
  options.std = settings.at("std").get<std::array<double, 3>>();
  options.eval_crop_ratio =
      settings.at("crop").get<double>() / settings.at("short_side").get<double>();
  return options;
}

void check_geometry(
    const std::string& name,
    const data::Image& image,
    const data::ResizeTarget& target,
    const Json& expected,
    Checks& checks) {
  checks.push_back(equal(
      name + " decoded size",
      image.height == expected.at("height") && image.width == expected.at("width")));
  checks.push_back(equal(
      name + " resized size",
      target.height == expected.at("resized_height") &&
          target.width == expected.at("resized_width")));
  checks.push_back(equal(
      name + " offsets",
      target.window.top == expected.at("crop_top") &&
          target.window.left == expected.at("crop_left")));
}

void run_view(
    const std::vector<uint8_t>& bytes,
    const std::string& name,
    const data::AugmentOptions& options,
    const Json& expected,
    const at::Tensor& stored,
    Checks& checks) {
  const data::Image image = data::decode_image(bytes);
  const data::Size size{stored.size(0), stored.size(1)};
  check_geometry(
      name, image, data::centre_crop({image.height, image.width}, options, size), expected, checks);
  checks.push_back(check_sums(name + " decoded", image, expected.at("decoded_channel_sums")));
  checks.push_back(equal(
      name + " decoded sha256",
      test::sha256_hex(image.pixels) == expected.at("decoded_sha256").get<std::string>()));
  const data::EvalTransform transform(options, size.height, size.width);
  data::Image view{size.height, size.width, std::vector<uint8_t>(stored.numel())};
  data::apply(transform, data::view_of(image), {}, view.pixels.data());
  checks.push_back(compare(name + " view", view, stored));
  checks.push_back(compare(name + " view of a part", load_view(bytes, transform), stored));
  checks.push_back(check_sums(name + " view", view, expected.at("view_channel_sums")));
  check_normalised(name, view, options, expected, checks);
}

}  // namespace

Checks run_augment_ops(const std::filesystem::path& path) {
  const GoldenFile golden = load_golden(path);
  const auto fill = settings_of(golden, path, "fill").get<std::array<uint8_t, 3>>();
  const Json arguments = settings_of(golden, path, "arguments");
  Checks checks;
  for (const auto& [name, tensor] : golden.tensors) {
    if (arguments.contains(name)) {
      checks.push_back(run_op(golden, name, arguments.at(name), fill));
    } else {
      checks.push_back(equal(name + " has arguments", name.starts_with("input")));
    }
  }
  return checks;
}

Checks run_resize(const std::filesystem::path& path) {
  const GoldenFile golden = load_golden(path);
  Checks checks;
  for (const auto& [name, expected] : golden.tensors) {
    const auto slash = name.find('/');
    const std::string what = name.substr(slash + 1);
    if (what == "in") {
      continue;
    }
    const auto method = test::interpolation_names().at(what.substr(0, what.find('_')));
    const data::Image source = image_of(golden.at(name.substr(0, slash) + "/in"));
    checks.push_back(compare(
        name,
        data::resize(data::view_of(source), method, expected.size(0), expected.size(1)),
        expected));
  }
  return checks;
}

Checks run_random_resized_crop(const std::filesystem::path& path) {
  const std::string folder = images_folder();
  const GoldenFile golden = load_golden(path);
  const Json cases = settings_of(golden, path, "cases");
  Checks checks;
  for (const auto& [name, settings] : cases.items()) {
    const at::Tensor& expected = golden.at(name);
    const data::Image image = decode_file(folder, settings.at("file").get<std::string>());
    const data::Box box{settings.at("i"), settings.at("j"), settings.at("h"), settings.at("w")};
    data::Image result = data::resize(
        data::view_of(image, box),
        data::Interpolation::kBicubic,
        expected.size(0),
        expected.size(1));
    if (settings.at("flip").get<bool>()) {
      data::mirror(data::span_of(result));
    }
    checks.push_back(compare(name, result, expected));
  }
  return checks;
}

Checks run_eval(const std::filesystem::path& path) {
  const std::string folder = images_folder();
  const GoldenFile golden = load_golden(path);
  const Json settings =
      Json::parse(read_text(std::filesystem::path(path).replace_extension(".json")));
  const data::AugmentOptions options = eval_options(settings);
  Checks checks;
  for (const auto& [name, expected] : settings.at("images").items()) {
    run_view(image_bytes(folder, name), name, options, expected, golden.at(name), checks);
  }
  return checks;
}

}  // namespace vim::golden
