#include "train/report/figures.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

namespace gan {
namespace {

constexpr const char* kQuality = "Colours of photos it has not seen";
constexpr const char* kGame = "The game of generator and discriminator";
constexpr const char* kTraining = "What training sees";

constexpr auto kLog = Figure::Scale::logarithmic;

}  // namespace

const std::vector<Figure>& all_figures() {
  static const std::vector<Figure> figures = {
      {.group = kQuality,
       .key = "difference",
       .title = "Colour difference",
       .note = "CIEDE2000, lower is better",
       .curves = {{"ciede2000", "mean"}},
       .digits = 2,
       .marks_best = true},
      {.group = kQuality,
       .key = "colourfulness",
       .title = "Colourfulness",
       .note = "share of the truth's; 1 is ideal",
       .curves = {{"colorfulness_ratio", "ratio"}},
       .digits = 2,
       .from = 0.5,
       .to = 1.1,
       .band_from = 0.85,
       .band_to = 1.15,
       .line = 1,
       .marks_best = true},
      {.group = kQuality,
       .key = "psnr",
       .title = "PSNR",
       .note = "dB, higher is better",
       .curves = {{"psnr", "PSNR"}},
       .digits = 2,
       .marks_best = true},
      {.group = kQuality,
       .key = "bias",
       .title = "Tint",
       .note = "mean error in a (green to red) and b (blue to yellow)",
       .curves = {{"bias_a", "a"}, {"bias_b", "b"}},
       .digits = 2,
       .from = -4,
       .to = 4,
       .line = 0,
       .marks_best = true},
      {.group = kQuality,
       .key = "stains",
       .title = "White and even areas",
       .note = "chroma where the truth is white, unevenness where it is even",
       .curves = {{"white_chroma", "white"}, {"blotch", "blotch"}},
       .digits = 2,
       .from = 0,
       .marks_best = true},
      {.group = kQuality,
       .key = "variety",
       .title = "Variety of colours",
       .note = "share of the truth's; near 0, all photos look alike",
       .curves = {{"entropy_ratio", "entropy"}, {"variety_ratio", "spread"}},
       .digits = 2,
       .from = 0,
       .to = 1,
       .line = 1,
       .marks_best = true},
      {.group = kQuality,
       .key = "coherence",
       .title = "Coherence",
       .note = "share of the colours' variance that lies between things, not within",
       .curves = {{"coherence", "coherence"}},
       .digits = 3,
       .to = 1,
       .marks_best = true},
      {.group = kGame,
       .key = "d_accuracy",
       .title = "How often D is right",
       .note = "share of photos; within the band the game is balanced",
       .curves = {{"d_accuracy_real", "real"}, {"d_accuracy_fake", "fake"}},
       .digits = 2,
       .from = 0,
       .to = 1,
       .band_from = 0.55,
       .band_to = 0.85},
      {.group = kGame,
       .key = "adversarial",
       .title = "Adversarial losses",
       .note = "of the generator and of the discriminator",
       .curves = {{"g_adversarial", "G"},
                  {"d_loss", "D"},
                  {"d_loss_real", "D real"},
                  {"d_loss_fake", "D fake"},
                  {"d_loss_noise", "D noise"}},
       .from = 0},
      {.group = kGame,
       .key = "d_logits",
       .title = "What D thinks",
       .note = "mean logit; apart, D knows its training photos by heart",
       .curves = {{"d_logit_train", "trained on"}, {"d_logit_held_out", "never seen"}},
       .digits = 2,
       .line = 0},
      {.group = kGame,
       .key = "d_trained",
       .title = "D at work",
       .note = "share of steps in which D learnt; 0: it rested",
       .curves = {{"d_trained", "learnt"}},
       .digits = 2,
       .from = 0,
       .to = 1},
      {.group = kTraining,
       .key = "loss",
       .title = "Colour losses",
       .note = "on training photos",
       .curves = {{"chroma_loss", "chroma"},
                  {"moment_loss", "moments"},
                  {"coherence_loss", "coherence"},
                  {"l1", "L1"},
                  {"mse", "MSE"}},
       .digits = 4,
       .from = 0},
      {.group = kTraining,
       .key = "gradient",
       .title = "Gradients",
       .note = "Euclidean norm of all gradients of a network",
       .curves = {{"g_gradient", "G"}, {"d_gradient", "D"}},
       .digits = 4,
       .scale = kLog},
      {.group = kTraining,
       .key = "update_ratio",
       .title = "Updates",
       .note = "of a step, relative to the weights; about 0.001 is healthy",
       .curves = {{"g_update_ratio", "G"}, {"d_update_ratio", "D"}},
       .digits = 5,
       .scale = kLog,
       .line = 0.001},
      {.group = kTraining,
       .key = "learning_rate",
       .title = "Learning rates",
       .note = "of Adam",
       .curves = {{"lr_g", "G"}, {"lr_d", "D"}},
       .digits = 6,
       .scale = kLog},
      {.group = kTraining,
       .key = "speed",
       .title = "Speed",
       .note = "photos a second",
       .curves = {{"photos_per_second", "photos/s"}},
       .digits = 1,
       .from = 0},
  };
  return figures;
}

std::vector<Figure> figures_of(const RunFacts& facts) {
  std::vector<Figure> figures;
  for (Figure figure : all_figures()) {
    std::erase_if(figure.curves, [&](const Curve& curve) {
      const std::vector<double> values = facts.column(curve.column);
      return std::none_of(values.begin(), values.end(), [](double v) { return std::isfinite(v); });
    });
    if (!figure.curves.empty()) figures.push_back(std::move(figure));
  }
  return figures;
}

nlohmann::json to_json(const Figure& figure) {
  nlohmann::json curves = nlohmann::json::array();
  for (const Curve& curve : figure.curves) {
    curves.push_back({{"column", curve.column}, {"label", curve.label}});
  }
  return {{"group", figure.group},
          {"title", figure.title},
          {"note", figure.note},
          {"curves", curves},
          {"digits", figure.digits},
          {"logarithmic", figure.scale == kLog},
          {"from", figure.from},  // NaN becomes null
          {"to", figure.to},
          {"bandFrom", figure.band_from},
          {"bandTo", figure.band_to},
          {"line", figure.line},
          {"marksBest", figure.marks_best}};
}

}  // namespace gan
