// A run's page, its curves for papers and its TensorBoard files.
#include "train/report/report.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <nlohmann/json.hpp>

#include "engine/error.h"
#include "tests/temp_folder.h"
#include "train/metrics/evaluate.h"
#include "train/recipe/health.h"
#include "train/report/curves.h"
#include "train/report/figures.h"
#include "train/report/page.h"

namespace gan {
namespace {

constexpr const char* kNastyName = "a</script><b>&\"'{{data}}";

// A run of so many epochs, the first half supervised. The best one is the third from the end.
RunFacts some_run(int epochs) {
  RunFacts facts;
  facts.name = kNastyName;
  facts.version = "1.2.3";
  facts.device = "CPU <fast>";
  facts.model = "gan, width 4, 1 parameters";
  facts.data = "photos";
  facts.photos.found = facts.photos.train = 7;
  facts.photos.bad = {{"x<y>.png", "cut & off", BadKind::unreadable}};
  facts.settings = {{"lr_g", ""}, {"seed", "12345"}};
  facts.planned_epochs = epochs;
  facts.colorize_command = "gan_colorize 'a b/weights.bin' photo.jpg";
  for (int e = 1; e <= epochs; ++e) {
    const bool judged = 2 * e > epochs;
    facts.rows.push_back({{"epoch", e},
                          {"step", 10.0 * e},
                          {"seconds", e / 3.0},
                          {"photos_per_second", 21.123456789},
                          {"phase", judged ? 2 : 0},
                          {"chroma_loss", 1e-5 / e},
                          {"d_accuracy_real", judged ? 0.5 + 0.1 * std::sin(e) : NAN},
                          {"d_accuracy_fake", judged ? 0.7 : NAN},
                          {"ciede2000", 12 + 1.0 / e},
                          {"best", e <= std::max(1, epochs - 2) ? 1 : 0}});
  }
  facts.events = {{epochs, "D dominating: </script> and <i>more</i>"}};
  return facts;
}

SampleStrips two_strips() {
  return {
      .photos = 2, .gray = "data:g", .truth = "data:t", .outputs = {{1, "data:1"}, {3, "data:3"}}};
}

nlohmann::json data_of_page(const std::string& page) {
  const std::string open = "id=\"data\">";
  const size_t from = page.find(open) + open.size();
  return nlohmann::json::parse(page.substr(from, page.find("</script>", from) - from));
}

size_t count(const std::string& text, const std::string& part) {
  size_t found = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++found;
  return found;
}

Image noise(int width, int height, uint32_t seed) {
  Image image(width, height, 3);
  for (uint8_t& value : image.pixels)
    value = static_cast<uint8_t>((seed = seed * 1664525 + 1013904223) >> 24);
  return image;
}

}  // namespace

TEST_CASE("A run's page is one whole file whatever the run is called", "[report]") {
  const std::string page = report_page(some_run(8), two_strips());
  CHECK(page.rfind("<!doctype html>", 0) == 0);
  CHECK(page.find("</html>\n") == page.size() - 8);
  for (const char* tag : {"html", "head", "style", "body", "main", "noscript", "pre"}) {
    CHECK(count(page, str("<", tag, ">")) + count(page, str("<", tag, " ")) == 1);
    CHECK(count(page, str("</", tag, ">")) == 1);
  }
  CHECK(count(page, "<script") == 2);
  CHECK(count(page, "</script>") == 2);
  CHECK(count(page, "<section") == count(page, "</section>"));
  CHECK(page.find("a&lt;/script&gt;&lt;b&gt;&amp;&quot;&#39;{{data}}</h1>") != std::string::npos);
  CHECK(page.find("x&lt;y&gt;.png") != std::string::npos);
  CHECK(page.find("gan_colorize &#39;a b/weights.bin&#39; photo.jpg") != std::string::npos);
  CHECK(page.find("CPU &lt;fast&gt;") != std::string::npos);
  CHECK(page.find("src=\"http") == std::string::npos);
  CHECK(page.find("<link") == std::string::npos);
  CHECK(page.find("@import") == std::string::npos);
}

TEST_CASE("A page's data are the log's, digit by digit", "[report]") {
  const RunFacts facts = some_run(8);
  const std::string page = report_page(facts, two_strips());
  const nlohmann::json data = data_of_page(page);
  REQUIRE(data["columns"].size() == facts.rows[0].size());
  REQUIRE(data["rows"].size() == 8);
  for (size_t i = 0; i < 8; ++i) {
    for (size_t c = 0; c < facts.rows[i].size(); ++c) {
      const auto& [name, value] = facts.rows[i][c];
      CHECK(data["columns"][c] == name);
      if (std::isnan(value)) {
        CHECK(data["rows"][i][c].is_null());
      } else {
        CHECK(data["rows"][i][c].get<double>() == std::stod(csv_cell(value)));
        CHECK(page.find(csv_cell(value)) != std::string::npos);
      }
    }
  }
  CHECK(data["best"] == 5);
  CHECK(data["events"][0]["text"] == facts.events[0].text);
  CHECK(data["phases"] == nlohmann::json::parse(R"([{"from":1,"to":4,"name":"supervised"},
                                                    {"from":5,"to":8,"name":"joint"}])"));
  CHECK(data["samples"]["outputs"][1] == nlohmann::json({{"epoch", 3}, {"image", "data:3"}}));
  // Figures without numbers are left out.
  for (const nlohmann::json& figure : data["figures"]) {
    for (const nlohmann::json& curve : figure["curves"]) {
      CHECK(std::count(data["columns"].begin(), data["columns"].end(), curve["column"]) == 1);
    }
  }
  CHECK(data["figures"].size() == 4);
}

TEST_CASE("A page of a run without a whole epoch, or of a very long one", "[report]") {
  CHECK(data_of_page(report_page(some_run(1), {}))["rows"].size() == 1);
  const std::string page = report_page(some_run(5000), two_strips(), 100);
  const nlohmann::json rows = data_of_page(page)["rows"];
  CHECK(rows.size() <= 102);
  CHECK(rows.front()[0] == 1);
  CHECK(rows.back()[0] == 5000);
  CHECK(rows[data_of_page(page)["best"].get<size_t>()][0] == 4998);
  CHECK(page.size() < 200'000);
}

TEST_CASE("Rows of a sample picture", "[report]") {
  const std::vector<Image> outputs = {noise(8, 8, 1), noise(8, 8, 2)},
                           truths = {noise(8, 8, 3), noise(8, 8, 4)};
  const std::array<Image, 3> rows = sample_rows(sample_grid(outputs, truths));
  REQUIRE(rows[1].width == 16);
  REQUIRE(rows[1].height == 8);
  for (int i = 0; i < 2; ++i) {
    for (int y = 0; y < 8; ++y) {
      CHECK(std::equal(outputs[i].row(y), outputs[i].row(y) + 24, rows[1].at(8 * i, y)));
      CHECK(std::equal(truths[i].row(y), truths[i].row(y) + 24, rows[2].at(8 * i, y)));
    }
  }
  CHECK_THROWS_AS(sample_rows(noise(20, 9, 5)), DataError);
  CHECK_THROWS_AS(sample_rows(noise(1, 1, 5)), DataError);
}

TEST_CASE("As many of a run's pictures as there is room for", "[report]") {
  const TempFolder folder;
  const auto file_of = [&](int epoch) { return folder / str(epoch, ".png"); };
  std::vector<int> epochs;
  for (int e = 1; e <= 40; ++e) {
    epochs.push_back(e);
    if (e == 8) continue;  // lost
    write_png(file_of(e), sample_grid({noise(16, 16, e), noise(16, 16, 2 * e)},
                                      {noise(16, 16, 1), noise(16, 16, 2)}));
  }
  const SampleStrips all = SampleAlbum(file_of, 1'000'000).strips(epochs, 7);
  CHECK(all.photos == 2);
  CHECK(all.gray.rfind("data:image/jpeg;base64,/9j/", 0) == 0);
  CHECK(all.outputs.size() == 39);

  const size_t room = 12 * all.outputs[0].image.size();
  SampleAlbum at_once(file_of, room), step_by_step(file_of, room);
  SampleStrips strips;
  for (size_t count = 1; count <= epochs.size(); ++count) {
    strips = step_by_step.strips({epochs.begin(), epochs.begin() + static_cast<long>(count)},
                                 count < 7 ? 1 : 7);
    size_t bytes = 0;
    for (const auto& output : strips.outputs) bytes += output.image.size();
    CHECK(bytes <= room);
  }
  const auto epochs_of = [](const SampleStrips& s) {
    std::vector<int> found;
    for (const auto& output : s.outputs) found.push_back(output.epoch);
    return found;
  };
  CHECK(epochs_of(strips) == epochs_of(at_once.strips(epochs, 7)));
  CHECK(epochs_of(strips) == std::vector<int>{1, 4, 7, 12, 16, 20, 24, 28, 32, 36, 40});
  CHECK(SampleAlbum([&](int) { return folder / "none.png"; }, 1000)
            .strips({1, 2}, 1)
            .outputs.empty());
  CHECK(SampleAlbum(file_of, 1000).strips({}, 0).outputs.empty());
}

TEST_CASE("Curves for papers", "[report]") {
  for (int epochs : {1, 2, 9}) {
    const std::string svg = curves_svg(some_run(epochs));
    CHECK(svg.rfind("<svg xmlns=\"http://www.w3.org/2000/svg\"", 0) == 0);
    CHECK(svg.find("</svg>\n") == svg.size() - 7);
    CHECK(count(svg, "<text") == count(svg, "</text>"));
    CHECK(svg.find("<script") == std::string::npos);
    CHECK(svg.find("nan") == std::string::npos);
    CHECK(svg.find("inf") == std::string::npos);
    CHECK(svg.find("Colour difference") != std::string::npos);
  }
  CHECK(round_ticks(0, 1, 4) == std::vector<double>{0, 0.5, 1});
  CHECK(round_ticks(-3, 17, 4) == std::vector<double>{0, 5, 10, 15});
  CHECK(decade_ticks(0.0005, 20) == std::vector<double>{0.001, 0.01, 0.1, 1, 10});
  CHECK(decade_ticks(1.5, 12) == std::vector<double>{2, 5, 10});
  CHECK(decade_ticks(1.5, 6) == std::vector<double>{2, 4, 6});
  CHECK_THROWS_AS(round_ticks(1, 1, 4), InternalError);
}

TEST_CASE("Checksums and records of TensorBoard's files", "[report]") {
  CHECK(crc32c("123456789") == 0xe3069283u);            // the check value of CRC-32C
  CHECK(crc32c(std::string(32, '\0')) == 0x8a9136aau);  // RFC 3720, B.4
  const std::string record = tf_record("abc");
  CHECK(record.size() == 8 + 4 + 3 + 4);
  CHECK(record.substr(0, 8) == std::string("\3\0\0\0\0\0\0\0", 8));
  CHECK(record.substr(12, 3) == "abc");
}

TEST_CASE("A run that goes on replaces TensorBoard's file by a complete one", "[report]") {
  const TempFolder folder;
  const RunFolder run(folder.path(), RunFolder::Existing::replace);
  run.create();
  RunFacts facts = some_run(3);
  Report(run, true).write(facts);
  const auto only_file = [&] {
    std::vector<std::filesystem::path> found;
    for (const auto& entry : std::filesystem::directory_iterator(run.tensorboard()))
      found.push_back(entry.path());
    REQUIRE(found.size() == 1);
    return found[0];
  };
  const std::string first = read_text(only_file());
  CHECK(count(first, "loss/chroma_loss") == 3);
  CHECK(count(first, "brain.Event:2") == 1);
  CHECK(count(first, "d_accuracy/d_accuracy_real") == 2);  // the first epoch has none
  Report report(run, true);
  report.write(facts);
  CHECK(read_text(only_file()).size() == first.size());
  facts.rows.push_back(facts.rows.back());
  report.write(facts);
  CHECK(count(read_text(only_file()), "loss/chroma_loss") == 4);
  CHECK(std::filesystem::exists(run.page()));
  CHECK(std::filesystem::exists(run.curves()));
  run.create();
  CHECK(!std::filesystem::exists(run.page()));
  CHECK(!std::filesystem::exists(run.tensorboard()));
}

TEST_CASE("Words of a shell, and of the game", "[report]") {
  CHECK(shell_word("run/weights.bin") == "run/weights.bin");
  CHECK(shell_word("my run") == "'my run'");
  CHECK(shell_word("it's") == "'it'\\''s'");
  CHECK(shell_word("") == "''");
  CHECK(std::string(name_of_game(0.9, 0.9)) == "D ahead");
  CHECK(std::string(name_of_game(0.6, 0.7)) == "balanced");
  CHECK(std::string(name_of_game(0.1, 0.7)) == "G ahead");
  CHECK(std::string(name_of_game(NAN, NAN)).empty());
}

}  // namespace gan
