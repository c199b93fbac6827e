#include "train/report/page.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <nlohmann/json.hpp>
#include <string_view>

#include "engine/error.h"
#include "engine/progress.h"
#include "train/recipe/health.h"
#include "train/report/figures.h"
#include "train/report/files.h"
#include "train/report/markup.h"

namespace gan {
namespace {

using nlohmann::json;

constexpr size_t kTableRows = 60, kMostEvents = 1000, kMostFiles = 20;

// Rows to show, evenly spread: the first, the last and the best one are among them.
std::vector<size_t> chosen_rows(const RunFacts& facts, size_t most) {
  std::vector<size_t> chosen;
  const size_t count = facts.rows.size(), stride = (count + most - 1) / std::max<size_t>(most, 1);
  for (size_t i = 0; i < count; ++i) {
    if (i % stride == 0 || i + 1 == count || static_cast<int>(i) == facts.best_row()) {
      chosen.push_back(i);
    }
  }
  return chosen;
}

// What the script draws, as JSON that may stand within <script>. Numbers are log.csv's, digit by
// digit.
std::string data_of(const RunFacts& facts, const SampleStrips& samples, size_t most_rows) {
  json columns = json::array(), events = json::array(), phases = json::array(),
       figures = json::array(), outputs = json::array();
  if (!facts.rows.empty()) {
    for (const auto& column : facts.rows.front()) columns.push_back(column.first);
  }
  std::string rows;
  int best = -1, shown = 0;
  for (size_t i : chosen_rows(facts, most_rows)) {
    if (static_cast<int>(i) == facts.best_row()) best = shown;
    std::string cells;
    for (const auto& [name, value] : facts.rows[i]) {
      cells += (cells.empty() ? "" : ",") + (std::isfinite(value) ? csv_cell(value) : "null");
    }
    rows += (shown++ > 0 ? ",\n[" : "\n[") + cells + "]";
  }
  const size_t skipped = facts.events.size() - std::min(facts.events.size(), kMostEvents);
  for (size_t i = skipped; i < facts.events.size(); ++i) {
    events.push_back({{"epoch", facts.events[i].epoch}, {"text", facts.events[i].text}});
  }
  for (const PhaseSpan& phase : phases_of(facts)) {
    phases.push_back({{"from", phase.first_epoch}, {"to", phase.last_epoch}, {"name", phase.name}});
  }
  for (const Figure& figure : figures_of(facts)) figures.push_back(to_json(figure));
  for (const SampleStrips::Output& output : samples.outputs) {
    outputs.push_back({{"epoch", output.epoch}, {"image", output.image}});
  }
  const json strips = {{"photos", samples.photos},
                       {"gray", samples.gray},
                       {"truth", samples.truth},
                       {"outputs", outputs}};

  const auto text = [](const json& value) {
    return value.dump(-1, ' ', false, json::error_handler_t::replace);
  };
  const std::string all =
      str("{\"columns\":", text(columns), ",\n\"rows\":[", rows, "],\n\"best\":", best,
          ",\n\"events\":", text(events), ",\n\"phases\":", text(phases),
          ",\n\"figures\":", text(figures), ",\n\"samples\":", text(strips), "}\n");
  std::string safe;
  for (char c : all) {
    if (c == '<') {
      safe += "\\u003c";  // so that nothing in it ends the element
    } else {
      safe += c;
    }
  }
  return safe;
}

double last_value(const RunFacts& facts, const std::string& column) {
  const std::vector<double> values = facts.column(column);
  return values.empty() ? NAN : values.back();
}

std::string lead_of(const RunFacts& facts) {
  const auto epoch = static_cast<int>(last_value(facts, "epoch"));
  const std::string time = human_seconds(last_value(facts, "seconds"));
  const std::string of = str(epoch, " of ", facts.planned_epochs);
  const std::string state =
      facts.state == RunState::going_on
          ? str("Training was going on when this page was written, after epoch ", of, " and ", time,
                ".")
      : facts.state == RunState::stopped
          ? str("Stopped in epoch ", of, ", after ", time, "; it can go on.")
      : facts.state == RunState::failed
          ? str("Failed after epoch ", of, " and ", time, ": ", facts.failure, ".")
          : str("Finished after epoch ", of, " and ", time, ".");
  return str(state, " Model ", facts.model, ", trained on ", grouped(facts.photos.train),
             facts.photos.train == 1 ? " photo." : " photos.");
}

// A pair of <dt> and <dd>; without the latter's text, none.
std::string pair_of(const std::string& name, const std::string& value) {
  if (value.empty()) return "";
  return str("<div><dt>", escaped(name), "</dt><dd>", escaped(value), "</dd></div>\n");
}

std::string tiles_of(const RunFacts& facts) {
  const int best = facts.best_row();
  const auto at_best = [&](const std::string& column, int digits) {
    const std::vector<double> values = facts.column(column);
    if (best < 0 || values.empty() || std::isnan(values[static_cast<size_t>(best)]))
      return std::string();
    return fixed(values[static_cast<size_t>(best)], digits);
  };
  std::string tiles;
  tiles += pair_of("best epoch", at_best("epoch", 0));
  tiles += pair_of("CIEDE2000 there", at_best("ciede2000", 2));
  tiles += pair_of("colourfulness", at_best("colorfulness_ratio", 2));
  tiles += pair_of("PSNR, dB", at_best("psnr", 2));
  const double real = last_value(facts, "d_accuracy_real"),
               fake = last_value(facts, "d_accuracy_fake");
  if (std::isfinite(real + fake))
    tiles += pair_of("the game, last epoch", name_of_game(real, fake));
  tiles += pair_of("photos a second", fixed(last_value(facts, "photos_per_second"), 1));
  return tiles;
}

std::string table_of(const RunFacts& facts) {
  const char* const kColumns[] = {"epoch",
                                  "chroma_loss",
                                  "l1",
                                  "mse",
                                  "d_loss",
                                  "g_adversarial",
                                  "d_accuracy_real",
                                  "d_accuracy_fake",
                                  "psnr",
                                  "ciede2000",
                                  "colorfulness_ratio"};
  std::string table = "<div class=\"scroll\"><table>\n<tr>";
  std::vector<std::vector<double>> columns;
  for (const char* name : kColumns) {
    std::vector<double> values = facts.column(name);
    if (values.empty()) continue;
    table += str("<th scope=\"col\">", name, "</th>");
    columns.push_back(std::move(values));
  }
  table += "</tr>\n";
  for (size_t i : chosen_rows(facts, kTableRows)) {
    table += "<tr>";
    for (const std::vector<double>& values : columns)
      table += "<td>" + csv_cell(values[i]) + "</td>";
    table += "</tr>\n";
  }
  return table + "</table></div>\n";
}

std::string events_of(const RunFacts& facts) {
  if (facts.events.empty()) return "";
  const size_t skipped = facts.events.size() - std::min(facts.events.size(), kMostEvents);
  std::string list = "<section>\n<h2>What the autopilot noticed and did</h2>\n";
  if (skipped > 0) {
    list += str("<p class=\"hint\">", grouped(static_cast<int64_t>(skipped)),
                " earlier events are in events.csv.</p>\n");
  }
  list += "<ol class=\"events\">\n";
  for (size_t i = skipped; i < facts.events.size(); ++i) {
    list += str("<li><b>Epoch ", facts.events[i].epoch, "</b> <span>",
                escaped(facts.events[i].text), "</span></li>\n");
  }
  return list + "</ol>\n</section>\n";
}

std::string photos_of(const RunFacts& facts) {
  const std::vector<BadFile>& bad = facts.photos.bad;
  std::string text = str("<p><code>", escaped(facts.data),
                         "</code>: ", escaped(facts.photos.summary()), ".</p>\n");
  if (bad.empty()) return text;
  text +=
      "<table class=\"files\">\n<tr><th scope=\"col\">not used</th><th "
      "scope=\"col\">why</th></tr>\n";
  for (size_t i = 0; i < std::min(bad.size(), kMostFiles); ++i) {
    text +=
        str("<tr><td>", escaped(bad[i].path), "</td><td>", escaped(bad[i].reason), "</td></tr>\n");
  }
  text += "</table>\n";
  if (bad.size() > kMostFiles) text += "<p class=\"hint\">All of them: bad_files.txt.</p>\n";
  return text;
}

std::string commands_of(const RunFacts& facts) {
  std::string text = facts.colorize_command;
  if (facts.state == RunState::going_on || facts.state == RunState::stopped)
    text += "\n" + facts.resume_command;
  return escaped(text);
}

std::string settings_of(const RunFacts& facts) {
  const double epoch = last_value(facts, "epoch"), seconds = last_value(facts, "seconds");
  std::string list = pair_of("device", facts.device) + pair_of("program", facts.version) +
                     pair_of("time", human_seconds(seconds)) +
                     pair_of("time for an epoch", human_seconds(seconds / std::max(epoch, 1.0))) +
                     pair_of("memory for a step", human_bytes(facts.step_bytes));
  for (const auto& [name, value] : facts.settings) {
    list += pair_of(name, value.empty() ? "default" : value);
  }
  return list;
}

// The template with every {{name}} replaced. What is put in is not looked at again.
std::string filled(std::string_view page,
                   const std::function<std::string(std::string_view name)>& value) {
  std::string text;
  for (;;) {
    const size_t open = page.find("{{"), close = page.find("}}", open);
    text += page.substr(0, open);
    if (open == std::string_view::npos) return text;
    text += value(page.substr(open + 2, close - open - 2));
    page.remove_prefix(close + 2);
  }
}

}  // namespace

std::string report_page(const RunFacts& facts, const SampleStrips& samples, size_t most_rows) {
  const std::map<std::string_view, std::string> parts = {
      {"name", escaped(facts.name)},
      {"style", report_files::kStyleCss},
      {"lead", escaped(lead_of(facts))},
      {"tiles", tiles_of(facts)},
      {"table", table_of(facts)},
      {"events", events_of(facts)},
      {"commands", commands_of(facts)},
      {"photos", photos_of(facts)},
      {"settings", settings_of(facts)},
      {"footer", escaped("Written by gan_train " + facts.version +
                         " after every epoch; the numbers are those of log.csv.")},
      {"data", data_of(facts, samples, most_rows)},
      {"script", report_files::kPageJs}};
  return filled(report_files::kPageHtml, [&](std::string_view name) { return parts.at(name); });
}

}  // namespace gan
