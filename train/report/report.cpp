#include "train/report/report.h"

#include <ctime>

#include "engine/atomic_file.h"
#include "train/report/curves.h"
#include "train/report/figures.h"
#include "train/report/page.h"

namespace gan {
namespace {

// Of the page's pictures. With everything else it stays below 6 MB.
constexpr size_t kPictureBytes = 4'500'000;

// "loss/chroma_loss": TensorBoard shows what has the same folder together.
std::string tag_of(const std::string& column) {
  for (const Figure& figure : all_figures()) {
    for (const Curve& curve : figure.curves) {
      if (curve.column == column) return str(figure.key, "/", column);
    }
  }
  return "other/" + column;
}

}  // namespace

Report::Report(const RunFolder& folder, bool tensorboard)
    : folder_(folder),
      tensorboard_(tensorboard),
      album_([folder](int epoch) { return folder.sample(epoch); }, kPictureBytes) {}

void Report::write(const RunFacts& facts) {
  std::vector<int> epochs;
  for (double epoch : facts.column("epoch")) epochs.push_back(static_cast<int>(epoch));
  const int best = facts.best_row();
  const int best_epoch = best < 0 ? 0 : epochs[static_cast<size_t>(best)];
  write_whole_file(folder_.page(), report_page(facts, album_.strips(epochs, best_epoch)));
  write_whole_file(folder_.curves(), curves_svg(facts));
  if (tensorboard_) write_event_file(facts);
}

void Report::write_event_file(const RunFacts& facts) {
  const std::vector<double> steps = facts.column("step"), seconds = facts.column("seconds");
  const auto now = static_cast<double>(std::time(nullptr));
  if (!event_file_) event_file_ = std::make_unique<EventFile>(folder_.tensorboard(), now);
  for (; noted_rows_ < facts.rows.size(); ++noted_rows_) {
    NamedValues scalars;
    for (const auto& [name, value] : facts.rows[noted_rows_]) {
      if (name != "step" && name != "epoch") scalars.emplace_back(tag_of(name), value);
    }
    const double ago = seconds.back() - seconds[noted_rows_];
    event_file_->add(now - ago, static_cast<int64_t>(steps[noted_rows_]), scalars);
  }
  event_file_->flush();
}

}  // namespace gan
