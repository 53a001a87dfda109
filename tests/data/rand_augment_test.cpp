// Policies as strings, and the frequencies and ranges of what they draw.
#include "src/data/rand_augment.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <stdexcept>
#include <string>

#include "src/data/color_policies.h"
#include "tests/support/catch.h"

namespace {

using vim::core::Random;
using vim::core::RandomKey;
using vim::data::ImageOp;
using vim::data::OpKind;
using vim::data::RandAugmentOptions;

constexpr int kImages = 60000;

Random random_at(uint64_t position) {
  RandomKey key;
  key.seed = 11;
  key.stream = vim::core::RandomStream::kAugment;
  key.position = position;
  return Random(key);
}

std::map<OpKind, std::vector<double>> draw_many(const std::string& policy) {
  const RandAugmentOptions options = vim::data::parse_rand_augment(policy);
  std::map<OpKind, std::vector<double>> amounts;
  for (uint64_t i = 0; i < kImages; ++i) {
    Random random = random_at(i);
    for (const ImageOp& op : vim::data::draw_rand_augment(options, random)) {
      amounts[op.kind].push_back(op.amount);
    }
  }
  return amounts;
}

double mean(const std::vector<double>& values) {
  double sum = 0;
  for (const double value : values) {
    sum += value;
  }
  return sum / static_cast<double>(values.size());
}

bool all_within(const std::vector<double>& values, double low, double high) {
  return std::all_of(values.begin(), values.end(), [=](double v) { return v >= low && v <= high; });
}

std::vector<double> absolute(std::vector<double> values, double centre) {
  for (double& value : values) {
    value = std::abs(value - centre);
  }
  return values;
}

std::string refusal(const std::string& policy) {
  try {
    vim::data::parse_rand_augment(policy);
    return "";
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
}

}  // namespace

TEST_CASE("a policy's parts are read in any order and default as in timm") {
  const RandAugmentOptions official = vim::data::parse_rand_augment("rand-m9-mstd0.5-inc1");
  CHECK(official.magnitude == 9);
  CHECK(official.magnitude_std == 0.5);
  CHECK(official.num_layers == 2);
  CHECK(official.is_increasing);
  CHECK_FALSE(official.is_weighted);
  const RandAugmentOptions other = vim::data::parse_rand_augment("rand-w0-inc0-n3");
  CHECK(other.magnitude == 10);
  CHECK(other.magnitude_std == 0);
  CHECK(other.num_layers == 3);
  CHECK_FALSE(other.is_increasing);
  CHECK(other.is_weighted);
  CHECK(vim::data::parse_rand_augment("rand").num_layers == 2);
  CHECK(std::isinf(vim::data::parse_rand_augment("rand-mstdinf").magnitude_std));
  CHECK(std::isinf(vim::data::parse_rand_augment("rand-mstd101").magnitude_std));
}

TEST_CASE("a policy that cannot be read is refused with the part that is wrong") {
  const auto [policy, what] = GENERATE(table<std::string, std::string>({
      {"", "starts with rand"},
      {"augmix-m5-w4-d2", "starts with rand"},
      {"rand-x3", "\"x3\" is no part of a RandAugment policy"},
      {"rand-p0.5", "\"p0.5\" is no part"},
      {"rand-m", "\"m\": m takes a number from 0 to 10"},
      {"rand-m11", "\"m11\": m takes a number from 0 to 10"},
      {"rand-m9x", "\"m9x\": m takes"},
      {"rand-mnan", "\"mnan\": m takes"},
      {"rand-n0", "\"n0\": n takes an integer from 1 to 100"},
      {"rand-n2.5", "\"n2.5\": n takes an integer"},
      {"rand-inc2", "\"inc2\": inc takes an integer from 0 to 1"},
      {"rand-w1", "\"w1\": w takes 0"},
      {"rand-mstd-1", "\"mstd\": mstd takes a number of at least 0 or inf"},
      {"rand-m9-m8", "\"m8\" sets a value that is set before"},
      {"rand--m9", "\"\" is no part"},
      {"rand-m9-", "a part is missing at the end"},
      {"rand-w0-n14", "w0 draws each operation once and has only 13"},
  }));
  INFO(policy);
  const std::string text = refusal(policy);
  CHECK(text.find("\"" + policy + "\": ") == 0);
  CHECK(text.find(what) != std::string::npos);
  CHECK(text.find("; use a form like rand-m9-n2-mstd0.5-inc1, or none") != std::string::npos);
}

TEST_CASE("the official policy draws its 15 operations equally often, each half the time") {
  const auto amounts = draw_many("rand-m9-mstd0.5-inc1");
  CHECK(amounts.size() == 15);
  for (const auto& [kind, values] : amounts) {
    INFO(static_cast<int>(kind));
    // Binomial(120000, 1 / 30) has mean 4000 and a standard deviation of 62; five of them.
    CHECK(std::abs(static_cast<double>(values.size()) - 4000) < 310);
  }
  CHECK(amounts.count(OpKind::kGreyscale) == 0);
  CHECK(amounts.count(OpKind::kGaussianBlur) == 0);
}

TEST_CASE("the official policy's amounts follow N(9, 0.5) cut at 10") {
  const auto amounts = draw_many("rand-m9-mstd0.5-inc1");
  const auto check = [&](OpKind kind, double centre, double unit) {
    const auto sizes = absolute(amounts.at(kind), centre);
    INFO(static_cast<int>(kind));
    // Six deviations below the mean, and the cut, to double rounding.
    CHECK(all_within(sizes, 6 * unit, 10 * unit + 1e-12));
    // The cut lowers the mean by 0.5 * (phi(2) - 2 Phi(-2)) = 0.0042; five standard errors of
    // 0.5 / sqrt(4000) allowed.
    CHECK(std::abs(mean(sizes) / unit - 8.9958) < 0.04);
    double negative = 0;
    for (const double amount : amounts.at(kind)) {
      negative += amount < centre ? 1 : 0;
    }
    CHECK(std::abs(negative / static_cast<double>(sizes.size()) - 0.5) < 0.04);
  };
  check(OpKind::kRotate, 0, 3.0);
  check(OpKind::kShearX, 0, 0.03);
  check(OpKind::kShearY, 0, 0.03);
  check(OpKind::kTranslateX, 0, 0.045);
  check(OpKind::kTranslateY, 0, 0.045);
  for (const OpKind kind :
       {OpKind::kColor, OpKind::kContrast, OpKind::kBrightness, OpKind::kSharpness}) {
    check(kind, 1, 0.09);
  }
}

TEST_CASE("increasing operations keep few bits, invert much and add much at high severity") {
  const auto amounts = draw_many("rand-m9-mstd0.5-inc1");
  const auto& bits = amounts.at(OpKind::kPosterize);
  CHECK(all_within(bits, 0, 2));
  const auto num_black = static_cast<double>(std::count(bits.begin(), bits.end(), 0.0));
  // Severity 10 is drawn with probability Phi(-2) = 0.0228; five standard errors.
  CHECK(std::abs(num_black / static_cast<double>(bits.size()) - 0.0228) < 0.012);
  CHECK(all_within(amounts.at(OpKind::kSolarize), 0, 256 - 153));
  CHECK(all_within(amounts.at(OpKind::kSolarizeAdd), 66, 110));
  for (const double amount : amounts.at(OpKind::kSolarizeAdd)) {
    REQUIRE(amount == std::floor(amount));
  }
}

TEST_CASE("amounts without deviation are the table's, for both sets of operations") {
  const auto increasing = draw_many("rand-m5-inc1");
  CHECK(increasing.at(OpKind::kPosterize).front() == 2);
  CHECK(increasing.at(OpKind::kSolarize).front() == 128);
  CHECK(increasing.at(OpKind::kSolarizeAdd).front() == 55);
  CHECK(std::abs(increasing.at(OpKind::kRotate).front()) == 15);
  CHECK(std::abs(increasing.at(OpKind::kColor).front() - 1) == Approx(0.45));
  const auto other = draw_many("rand-m9-inc0");
  CHECK(other.at(OpKind::kPosterize).front() == 3);
  CHECK(other.at(OpKind::kSolarize).front() == 230);
  CHECK(all_within(other.at(OpKind::kContrast), 1.7199, 1.7201));
}

TEST_CASE("an infinite deviation draws severities uniformly up to the magnitude") {
  const auto angles = absolute(draw_many("rand-m8-mstdinf-inc1").at(OpKind::kRotate), 0);
  CHECK(all_within(angles, 0, 24));
  CHECK(std::abs(mean(angles) - 12) < 0.6);  // standard error 24 / sqrt(12 * 4000) = 0.11
}

TEST_CASE("weighted policies draw by weight and no operation twice for an image") {
  const auto amounts = draw_many("rand-m9-n1-w0");
  // Of 60000 images half are left alone: 9000 rotations, 6000 of each shear, 150 solarizations.
  CHECK(std::abs(static_cast<double>(amounts.at(OpKind::kRotate).size()) - 9000) < 440);
  CHECK(std::abs(static_cast<double>(amounts.at(OpKind::kShearX).size()) - 6000) < 370);
  CHECK(std::abs(static_cast<double>(amounts.at(OpKind::kSolarize).size()) - 150) < 62);
  CHECK(amounts.count(OpKind::kInvert) == 0);
  CHECK(amounts.count(OpKind::kPosterize) == 0);
  const RandAugmentOptions many = vim::data::parse_rand_augment("rand-n13-w0");
  for (uint64_t i = 0; i < 500; ++i) {
    Random random = random_at(i);
    std::set<OpKind> kinds;
    for (const ImageOp& op : vim::data::draw_rand_augment(many, random)) {
      REQUIRE(kinds.insert(op.kind).second);
    }
  }
}

TEST_CASE("ThreeAugment draws one of three operations, a third of the time each") {
  std::map<OpKind, std::vector<double>> amounts;
  for (uint64_t i = 0; i < 9000; ++i) {
    Random random = random_at(i);
    const ImageOp op = vim::data::draw_three_augment(random);
    amounts[op.kind].push_back(op.amount);
  }
  CHECK(amounts.size() == 3);
  for (const OpKind kind : {OpKind::kGreyscale, OpKind::kSolarize, OpKind::kGaussianBlur}) {
    // Binomial(9000, 1 / 3) has a standard deviation of 45; five of them.
    CHECK(std::abs(static_cast<double>(amounts.at(kind).size()) - 3000) < 225);
  }
  CHECK(amounts.at(OpKind::kSolarize).front() == 128);
  CHECK(all_within(amounts.at(OpKind::kGaussianBlur), 0.1, 2.0));
  CHECK(std::abs(mean(amounts.at(OpKind::kGaussianBlur)) - 1.05) < 0.06);
}

TEST_CASE("colour jitter draws three factors in each of six orders") {
  std::map<std::vector<OpKind>, int> orders;
  std::map<OpKind, std::vector<double>> factors;
  for (uint64_t i = 0; i < 12000; ++i) {
    Random random = random_at(i);
    std::vector<OpKind> order;
    for (const ImageOp& op : vim::data::draw_color_jitter(0.3, random)) {
      order.push_back(op.kind);
      factors[op.kind].push_back(op.amount);
    }
    ++orders[order];
  }
  CHECK(orders.size() == 6);
  for (const auto& [order, count] : orders) {
    CHECK(std::abs(count - 2000) < 205);  // five standard deviations of 41
  }
  for (const OpKind kind : {OpKind::kBrightness, OpKind::kContrast, OpKind::kColor}) {
    CHECK(all_within(factors.at(kind), 0.7, 1.3));
    CHECK(std::abs(mean(factors.at(kind)) - 1.0) < 0.008);  // standard error 0.0016
  }
}

TEST_CASE("colour jitter above one keeps factors from falling below zero") {
  for (uint64_t i = 0; i < 500; ++i) {
    Random random = random_at(i);
    for (const ImageOp& op : vim::data::draw_color_jitter(2.0, random)) {
      REQUIRE(op.amount >= 0.0);
      REQUIRE(op.amount <= 3.0);
    }
  }
}
