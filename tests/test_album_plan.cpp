// What gan_colorize makes of its arguments, and where it would write.
#include <catch2/catch.hpp>
#include <filesystem>

#include "engine/atomic_file.h"
#include "temp_folder.h"
#include "tools/colorize/contact_sheet.h"
#include "tools/colorize/inputs.h"
#include "tools/colorize/outputs.h"

namespace gan {
namespace {

namespace fs = std::filesystem;
using Catch::Contains;

void touch(const fs::path& path) {
  write_text(path, "x");
}

InputList list_of(const std::vector<fs::path>& names, const fs::path& out = {}) {
  std::vector<std::string> texts;
  for (const fs::path& name : names) texts.push_back(name.string());
  return find_inputs(texts, out);
}

std::vector<fs::path> targets(const OutputPlan& plan) {
  std::vector<fs::path> all;
  for (const Job& job : plan.jobs) all.push_back(job.target);
  return all;
}

TEST_CASE("folders are searched, without hidden files, results and the output", "[album]") {
  const TempFolder folder;
  for (const char* name : {"in/b.JPG", "in/a.png", "in/deep/er/c.tif", "in/a_color.png",
                           "in/notes.txt", "in/.hidden.png", "in/out/d.png"}) {
    touch(folder / name);
  }
  const InputList list = list_of({folder / "in"}, folder / "in/out");
  REQUIRE(list.inputs.size() == 3);
  CHECK(list.inputs[0].source == (folder / "in/a.png").string());
  CHECK(list.inputs[1].stem == "b");
  CHECK(list.inputs[2].below == "deep/er");
  CHECK(list.results == 1);
  CHECK(list.ignored == 2);

  const OutputPlan mirrored = plan_outputs(list, {.out = (folder / "in/out").string()});
  CHECK(targets(mirrored) == std::vector<fs::path>{folder / "in/out/a_color.png",
                                                   folder / "in/out/b_color.png",
                                                   folder / "in/out/deep/er/c_color.png"});
  const OutputPlan beside = plan_outputs(list_of({folder / "in/deep"}), {.format = "jpg"});
  CHECK(targets(beside) == std::vector<fs::path>{folder / "in/deep/er/c_color.jpg"});
}

TEST_CASE("patterns, URLs and lists", "[album]") {
  const TempFolder folder;
  for (const char* name : {"1.png", "2.png", "2_color.png", "odd[1].png"}) touch(folder / name);
  CHECK(list_of({folder / "[12]*.png"}).inputs.size() == 2);
  CHECK(list_of({folder / "odd[1].png"}).inputs.size() == 1);  // a file, although it looks like one
  CHECK_THROWS_WITH(list_of({folder / "*.gif"}), Contains("no file matches"));

  const auto stem = [](const std::string& url) { return find_inputs({url}, {}).inputs[0].stem; };
  CHECK(stem("https://example.org/a/rose%20red.jpg?size=2#top") == "rose red");
  CHECK(stem("HTTP://example.org") == "photo");
  CHECK(stem("http://example.org/..%2F..%2Fetc%2Fpasswd") == "_.");
  CHECK(stem("http://example.org/%0a.png") == "_");

  write_text(folder / "list.txt", "a.png\r\n\r\nb c.png\nhttp://x/y.png");
  CHECK(read_list((folder / "list.txt").string()) ==
        std::vector<std::string>{"a.png", "b c.png", "http://x/y.png"});
  write_text(folder / "empty.txt", "\n\r\n");
  CHECK_THROWS_WITH(read_list((folder / "empty.txt").string()), Contains("holds no names"));
  CHECK_THROWS_WITH(read_list((folder / "none.txt").string()), Contains("cannot open the list"));
}

TEST_CASE("no input is ever written to, whatever it is called", "[album]") {
  const TempFolder folder;
  touch(folder / "a.png");
  touch(folder / "b.png");
  const auto plan = [&](const std::vector<fs::path>& inputs, const fs::path& out) {
    return plan_outputs(list_of(inputs), {.out = out.string(), .force = true});
  };
  CHECK_THROWS_WITH(plan({folder / "a.png"}, folder / "a.png"), Contains("overwrite the photo"));
  fs::create_symlink(folder / "a.png", folder / "link.png");
  CHECK_THROWS_WITH(plan({folder / "a.png"}, folder / "link.png"), Contains("overwrite the photo"));
  CHECK_THROWS_WITH(plan({folder / "link.png"}, folder / "a.png"), Contains("overwrite the photo"));
  fs::create_hard_link(folder / "a.png", folder / "hard.png");
  CHECK_THROWS_WITH(plan({folder / "a.png"}, folder / "hard.png"), Contains("overwrite the photo"));
  // Another photo's input is just as dear.
  fs::create_hard_link(folder / "a.png", folder / "b_color.png");
  CHECK_THROWS_WITH(plan({folder / "b.png", folder / "a.png"}, ""),
                    Contains("overwrite the photo"));
  touch(folder / "c.png");
  touch(folder / "c_color.png");
  CHECK_THROWS_WITH(plan({folder / "c.png", folder / "c_color.png"}, ""),
                    Contains("overwrite the photo"));
}

TEST_CASE("two photos with one result, and results that exist, are refused", "[album]") {
  const TempFolder folder;
  for (const char* name : {"a.png", "a.jpg", "x/A.png", "b.png", "b_color.png", "file"}) {
    touch(folder / name);
  }
  const auto plan = [&](const std::vector<fs::path>& inputs, OutputOptions options) {
    return plan_outputs(list_of(inputs), options);
  };
  const std::string out = (folder / "out").string();
  CHECK_THROWS_WITH(plan({folder / "a.png", folder / "a.jpg"}, {}), Contains("to this name"));
  CHECK_THROWS_WITH(plan({folder / "a.png", folder / "x/A.png"}, {.out = out}),
                    Contains("to this name"));
  CHECK_THROWS_WITH(plan({folder / "a.png", folder / "b.png"}, {.out = out + ".png"}),
                    Contains("is one file, but there are 2"));
  CHECK_THROWS_WITH(plan({folder / "a.png"}, {.out = (folder / "file").string()}),
                    Contains("-o takes a folder"));
  CHECK_THROWS_WITH(plan({folder / "a.png"}, {.out = out + ".GIF"}), Contains("-o takes a folder"));
  CHECK_THROWS_WITH(plan({folder.path()}, {.out = folder.path().string()}),
                    Contains("is the folder that the photos are in"));
  CHECK_THROWS_WITH(plan({folder / "b.png"}, {}), Contains("exists already"));
  CHECK(plan({folder / "b.png"}, {.force = true}).jobs.size() == 1);
  const OutputPlan skipping = plan({folder / "a.png", folder / "b.png"}, {.skip_existing = true});
  CHECK(skipping.jobs.size() == 1);
  CHECK(skipping.skipped == 1);
  // A link to nowhere is in the way, too.
  fs::create_symlink(folder / "nowhere", folder / "a_color.png");
  CHECK_THROWS_WITH(plan({folder / "a.png"}, {}), Contains("exists already"));
}

TEST_CASE("what killed programs left is removed, the rest is not", "[album]") {
  const TempFolder folder;
  {
    AtomicFile file(folder / "target");  // of this program, which runs
    remove_abandoned_temporaries(folder.path());
    CHECK(folder.entries() == 1);
    const std::string name = fs::directory_iterator(folder.path())->path().filename().string();
    const size_t process = name.find('-', 5) + 1;
    // No process has this number: the kernel's largest is 2^22.
    touch(folder / (name.substr(0, process) + "99999999-1.tmp"));
    touch(folder / (".gan-otherbox-99999999-1.tmp"));
    remove_abandoned_temporaries(folder.path());
    CHECK(folder.entries() == 2);
    remove_abandoned_temporaries(folder / "no such folder");
    file.write("done");
    file.commit();
  }
  CHECK(read_text(folder / "target") == "done");
}

TEST_CASE("a contact sheet shows its pictures, with labels above", "[album]") {
  Image red(40, 20, 3), blue(40, 20, 3);
  for (int y = 0; y < 20; ++y) {
    for (int x = 0; x < 40; ++x) {
      red.at(x, y)[0] = 255;
      blue.at(x, y)[2] = 255;
    }
  }
  const Image sheet = contact_sheet({{"128", red}, {"a label longer than its picture", blue}});
  CHECK(sheet.width > 80);
  const int bottom = sheet.height - 1;
  CHECK(sheet.at(0, bottom)[0] == 255);
  CHECK(sheet.at(0, bottom)[2] == 0);
  CHECK(sheet.at(sheet.width - 1, bottom)[2] == 255);
  int ink = 0;
  for (int x = 0; x < sheet.width; ++x) {
    for (int y = 0; y < sheet.height - 20; ++y) ink += sheet.at(x, y)[1] < 100;
  }
  CHECK(ink > 40);

  const PanelSize large = panel_size(12000, 9000), thin = panel_size(5000, 1);
  CHECK(large.width == kMaxPanelSide);
  CHECK(large.height == kMaxPanelSide * 3 / 4);
  CHECK(thin.height == 1);
}

}  // namespace
}  // namespace gan
