#include "model/generator.h"

#include <algorithm>

#include "model/generators/generators.h"

namespace gan {
namespace {

struct Model {
  const char* name;
  bool has_width;
  std::unique_ptr<Generator> (*make)(int width);  // with an RGB head
};

// In the order in which the original tried them; the one it ended with comes first.
constexpr Model kModels[] = {
    {"gan", true, [](int width) { return make_final_generator("gan", width); }},
    {"autoencoder5", false, [](int) { return make_autoencoder5(); }},
    {"autoencoder7", false,
     [](int) { return make_autoencoder7("autoencoder7", Activation::relu); }},
    {"autoencoder7-leaky", false,
     [](int) { return make_autoencoder7("autoencoder7-leaky", Activation::leaky_relu); }},
    {"autoencoder9-skip", true,
     [](int width) { return make_final_generator("autoencoder9-skip", width); }},
    {"unet", true, [](int width) { return make_unet(width); }},
    {"demo", false, [](int) { return make_demo_generator(); }},
};

const Model& model_named(const std::string& name) {
  std::string known;
  for (const Model& model : kModels) {
    if (name == model.name) return model;
    known += str(known.empty() ? "" : ", ", model.name);
  }
  throw UsageError(str("unknown model '", name, "'; known models: ", known));
}

}  // namespace

const std::vector<std::string>& generator_models() {
  static const std::vector<std::string> models = [] {
    std::vector<std::string> names;
    for (const Model& model : kModels) names.emplace_back(model.name);
    return names;
  }();
  return models;
}

const char* name_of(ColorHead head) {
  constexpr const char* kNames[] = {"rgb", "chroma64", "chroma128"};
  return kNames[static_cast<int>(head)];
}

ColorHead color_head_named(const std::string& name) {
  for (ColorHead head : {ColorHead::rgb, ColorHead::chroma64, ColorHead::chroma128}) {
    if (name == name_of(head)) return head;
  }
  throw UsageError(str("unknown colour head '", name, "'; known: rgb, chroma64, chroma128"));
}

bool is_generator_width(int width) {
  return width >= 4 && width <= 512 && width % 4 == 0;
}

std::unique_ptr<Generator> make_generator(const std::string& model, int width, ColorHead head) {
  const Model& found = model_named(model);
  if (found.has_width && !is_generator_width(width)) {
    throw UsageError(str("width ", width, ": use a multiple of 4 from 4 to 512"));
  }
  if (head == ColorHead::rgb) return found.make(width);
  if (model != "gan") {
    throw UsageError(str("model ", model, " has no colour head ", name_of(head), ", only rgb"));
  }
  return make_chroma_generator(width, head);
}

}  // namespace gan
