// vim_convert: looks into weight files and carries them from one format to another.
#include <fmt/format.h>

#include "apps/app_main.h"
#include "apps/weight_report.h"
#include "src/core/atomic_file.h"
#include "src/core/error.h"
#include "src/weights/checkpoint_file.h"
#include "src/weights/torch_file.h"
#include "src/weights/torch_writer.h"
#include "src/weights/weight_file.h"

namespace {

using namespace vim;  // a program, not a library: everything of ours is in reach

struct Arguments {
  std::string in;
  std::string out;
  std::string which;  // empty: ema if there, else model
  std::string json;
};

// Tensors of a set for a writer, with the bytes that they view.
struct LoadedSet {
  std::vector<weights::TensorBytes> bytes;
  std::vector<weights::TensorToWrite> tensors;
};

LoadedSet load_set(
    const weights::WeightFile& file, const std::string& set, const std::string& prefix) {
  LoadedSet loaded;
  for (const weights::WeightTensor& tensor : file.tensors(set)) {
    loaded.bytes.push_back(file.read(set, tensor));
    loaded.tensors.push_back(
        {prefix + tensor.name, tensor.type, tensor.shape, loaded.bytes.back().view()});
  }
  return loaded;
}

std::vector<std::string> wanted_sets(const weights::WeightFile& file, const std::string& which) {
  if (which == "all") {
    return file.sets();
  }
  return {which.empty() ? file.sets().back() : which};  // ema comes last
}

// The texts, without those that only the checkpoint container understands.
std::map<std::string, std::string> kept_texts(const weights::WeightFile& file) {
  std::map<std::string, std::string> texts = file.metadata();
  for (const std::string_view key : weights::kCheckpointKeys) {
    texts.erase(std::string(key));
  }
  return texts;
}

void write_as_safetensors(
    const Arguments& arguments,
    const weights::WeightFile& file,
    const std::vector<std::string>& sets) {
  std::vector<LoadedSet> loaded;
  std::vector<weights::TensorToWrite> tensors;
  for (const std::string& set : sets) {
    loaded.push_back(load_set(file, set, sets.size() > 1 ? set + "." : ""));
    const auto& added = loaded.back().tensors;
    tensors.insert(tensors.end(), added.begin(), added.end());
  }
  weights::write_safetensors(arguments.out, tensors, kept_texts(file));
}

void write_as_torch(
    const Arguments& arguments,
    const weights::WeightFile& file,
    const std::vector<std::string>& sets) {
  const LoadedSet model = load_set(file, sets.front(), "");
  const LoadedSet ema = sets.size() > 1 ? load_set(file, sets.back(), "") : LoadedSet();
  weights::TorchFileToWrite contents;
  contents.model = model.tensors;
  contents.ema = ema.tensors;
  contents.metadata = kept_texts(file);
  const weights::PickleValue* epoch =
      file.torch() != nullptr ? file.torch()->root().find("epoch") : nullptr;
  if (epoch != nullptr && epoch->is(weights::PickleKind::kInt)) {
    contents.epoch = epoch->integer;
  }
  weights::write_torch_file(arguments.out, contents);
}

int convert(const Arguments& arguments) {
  const std::string suffix = std::filesystem::path(arguments.out).extension().string();
  const bool is_torch = suffix == ".pth" || suffix == ".pt";
  if (!is_torch && suffix != ".safetensors") {
    throw Error(
        arguments.out + ": cannot write the format \"" + suffix +
        "\"; give a name ending in .safetensors, .pth or .pt");
  }
  const auto file = weights::WeightFile::open(arguments.in);
  const std::vector<std::string> sets = wanted_sets(file, arguments.which);
  if (is_torch) {
    write_as_torch(arguments, file, sets);
  } else {
    write_as_safetensors(arguments, file, sets);
  }
  for (const std::string& set : sets) {
    const std::string& prefix = file.stripped_prefix(set);
    fmt::print(
        "{}: {} tensors of {}{}\n",
        arguments.out,
        file.tensors(set).size(),
        set,
        prefix.empty() ? "" : fmt::format(", \"{}\" cut off every name", prefix));
  }
  return apps::kExitDone;
}

int inspect(const Arguments& arguments) {
  const auto report = apps::describe_weights(weights::WeightFile::open(arguments.in));
  apps::print_weights(report);
  if (!arguments.json.empty()) {
    // Names from files need not be UTF-8.
    constexpr auto kReplace = nlohmann::ordered_json::error_handler_t::replace;
    core::write_file_atomically(arguments.json, report.dump(2, ' ', false, kReplace) + "\n");
  }
  return apps::kExitDone;
}

void declare_convert(CLI::App& app, const char* name, const char* text, Arguments& arguments) {
  CLI::App* command = app.add_subcommand(name, text);
  command->add_option("IN", arguments.in, "weight file of any kind")->required();
  command->add_option("OUT", arguments.out, "file to write: .safetensors, .pth or .pt")->required();
  command->add_option("--which", arguments.which, "ema, model or all; default: ema if there")
      ->check(CLI::IsMember({"ema", "model", "all"}));
}

void declare(CLI::App& app, Arguments& arguments) {
  app.require_subcommand(1);
  CLI::App* look = app.add_subcommand("inspect", "shows what is in a weight file");
  look->add_option("PATH", arguments.in, "checkpoint, safetensors or torch.save file")->required();
  look->add_option("--json", arguments.json, "write the report to this file too");
  declare_convert(app, "convert", "writes weights in another format", arguments);
  declare_convert(app, "export", "the same, for use outside of this project", arguments);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Looks into weight files and converts them", "vim_convert");
  Arguments arguments;
  declare(app, arguments);
  return apps::run_app(app, argc, argv, [&] {
    return app.got_subcommand("inspect") ? inspect(arguments) : convert(arguments);
  });
}
