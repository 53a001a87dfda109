// The same findings twice: as text to be read, and as JSON. What depends on the clock is in neither
// but in the closing line, so that two runs can be compared.
#include "apps/data_verify.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>

#include "apps/image_pass.h"
#include "src/core/atomic_file.h"
#include "src/core/checksum.h"
#include "src/core/error.h"
#include "src/core/stop_request.h"
#include "src/data/verify.h"

namespace vim::apps {
namespace {

using nlohmann::ordered_json;

class VerifyWork : public PassWork {
 public:
  explicit VerifyWork(const data::Dataset& dataset)
      : dataset_(dataset), facts_(static_cast<size_t>(dataset.size())) {}

  void visit(int64_t index, std::vector<uint8_t>& buffer) override {
    facts_[static_cast<size_t>(index)] = data::inspect_image(dataset_, index, buffer);
  }

  std::string save(int64_t num_done) const override {
    return data::write_facts({facts_.begin(), facts_.begin() + num_done});
  }

  void restore(const std::string& found) override {
    const std::vector<data::ImageFacts> known = data::read_facts(found);
    std::copy(known.begin(), known.end(), facts_.begin());
  }

  const std::vector<data::ImageFacts>& facts() const { return facts_; }

 private:
  const data::Dataset& dataset_;
  std::vector<data::ImageFacts> facts_;  // by image; threads write different ones
};

// What the report is about.
struct Findings {
  const data::Dataset& dataset;
  const std::vector<data::ImageFacts>& facts;
  data::VerifyReport report;

  const data::ImageFacts& of(int64_t index) const { return facts[static_cast<size_t>(index)]; }
};

std::string side_range(const std::vector<data::SideCount>& sides, size_t place) {
  return place + 1 < sides.size()
             ? fmt::format("{}-{}", sides[place].at_least, sides[place + 1].at_least - 1)
             : fmt::format("{}-", sides[place].at_least);
}

void print_classes(const Findings& findings) {
  std::vector<int64_t> counts = findings.report.images_of_class;
  std::sort(counts.begin(), counts.end());
  const size_t middle = counts.size() / 2;
  const double median = counts.size() % 2 == 1
                            ? static_cast<double>(counts[middle])
                            : static_cast<double>(counts[middle - 1] + counts[middle]) / 2;
  fmt::print(
      "classes         {}: {} to {} images, median {}\n",
      counts.size(),
      counts.front(),
      counts.back(),
      median);
}

void print_sizes(const Findings& findings) {
  const auto& sides = findings.report.shorter_sides;
  fmt::print("shorter side   ");
  for (size_t i = 0; i < sides.size(); ++i) {
    if (sides[i].images > 0) {
      fmt::print(" {}: {}", side_range(sides, i), sides[i].images);
    }
  }
  fmt::print("\n");
  const auto print_extreme = [&findings](const char* title, int64_t index) {
    if (index >= 0) {
      const data::Size& size = findings.of(index).size;
      const std::string name = findings.dataset.name(index);
      fmt::print("{:<15} {} x {}: {}\n", title, size.height, size.width, name);
    }
  };
  print_extreme("smallest", findings.report.smallest);
  print_extreme("largest", findings.report.largest);
  print_extreme("most elongated", findings.report.elongated);
}

void print_duplicates(const Findings& findings) {
  const auto& groups = findings.report.duplicates;
  fmt::print("duplicates      {} groups\n", groups.size());
  for (const data::DuplicateGroup& group : groups) {
    fmt::print(
        "  {}{}\n",
        core::to_hex(group.hash),
        group.has_several_labels ? " under different labels" : "");
    for (const int64_t index : group.images) {
      fmt::print("    {}\n", findings.dataset.name(index));
    }
  }
}

void print(const Findings& findings) {
  print_classes(findings);
  fmt::print("formats        ");
  for (const auto& [format, count] : findings.report.formats) {
    fmt::print(" {}: {}", data::format_name(format), count);
  }
  fmt::print("\n");
  print_sizes(findings);
  print_duplicates(findings);
  fmt::print("bad             {}\n", findings.report.bad.size());
  for (const int64_t index : findings.report.bad) {
    fmt::print("  {}: {}\n", findings.dataset.name(index), findings.of(index).problem);
  }
}

ordered_json bad_json(const Findings& findings) {
  ordered_json list = ordered_json::array();
  for (const int64_t index : findings.report.bad) {
    list.push_back(
        {{"name", findings.dataset.name(index)}, {"reason", findings.of(index).problem}});
  }
  return list;
}

ordered_json duplicates_json(const Findings& findings) {
  ordered_json list = ordered_json::array();
  for (const data::DuplicateGroup& group : findings.report.duplicates) {
    ordered_json images = ordered_json::array();
    for (const int64_t index : group.images) {
      images.push_back(
          {{"name", findings.dataset.name(index)}, {"class", findings.dataset.label(index)}});
    }
    list.push_back(
        {{"xxh3_64", core::to_hex(group.hash)},
         {"several_labels", group.has_several_labels},
         {"images", std::move(images)}});
  }
  return list;
}

ordered_json extreme_json(const Findings& findings, int64_t index) {
  if (index < 0) {
    return nullptr;
  }
  const data::Size& size = findings.of(index).size;
  return {{"name", findings.dataset.name(index)}, {"height", size.height}, {"width", size.width}};
}

ordered_json to_json(const Findings& findings) {
  const data::VerifyReport& report = findings.report;
  ordered_json classes = ordered_json::array();
  for (size_t i = 0; i < report.images_of_class.size(); ++i) {
    classes.push_back(
        {{"name", findings.dataset.class_names()[i]}, {"images", report.images_of_class[i]}});
  }
  ordered_json formats = ordered_json::object();
  for (const auto& [format, count] : report.formats) {
    formats[std::string(data::format_name(format))] = count;
  }
  ordered_json sides = ordered_json::array();
  for (const data::SideCount& side : report.shorter_sides) {
    sides.push_back({{"at_least", side.at_least}, {"images", side.images}});
  }
  return {
      {"images", findings.dataset.size()},
      {"bad", bad_json(findings)},
      {"classes", std::move(classes)},
      {"formats", std::move(formats)},
      {"shorter_sides", std::move(sides)},
      {"smallest", extreme_json(findings, report.smallest)},
      {"largest", extreme_json(findings, report.largest)},
      {"most_elongated", extreme_json(findings, report.elongated)},
      {"duplicates", duplicates_json(findings)}};
}

int verify(const ImagePassOptions& options) {
  const auto dataset = open_images(options);
  ImagePass pass(options, "verify", "verify");
  VerifyWork work(*dataset);
  if (!pass.run(*dataset, work)) {
    return core::kExitResumable;
  }
  const Findings findings{*dataset, work.facts(), data::make_verify_report(*dataset, work.facts())};
  print(findings);
  if (!options.json.empty()) {
    core::write_file_atomically(
        options.json,
        to_json(findings).dump(2, ' ', false, ordered_json::error_handler_t::replace) + "\n");
  }
  pass.finish();
  const size_t num_bad = findings.report.bad.size();
  if (num_bad > 0) {
    throw Error(fmt::format(
        "{}: {} of {} images are bad; replace or remove them, or train with data.on_bad_image: "
        "substitute",
        options.path,
        num_bad,
        dataset->size()));
  }
  return kExitDone;
}

}  // namespace

void declare_data_verify(CLI::App& app, std::function<int()>& run) {
  auto options = std::make_shared<ImagePassOptions>();
  CLI::App* command = app.add_subcommand("verify", "read every image and say what is wrong");
  add_image_pass_options(*command, *options);
  command->callback([options, &run] { run = [options] { return verify(*options); }; });
}

}  // namespace vim::apps
