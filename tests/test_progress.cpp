#include <catch2/catch.hpp>

#include <sstream>

#include "engine/progress.h"

namespace gan {
namespace {

using Catch::Matchers::Contains;
using Catch::Matchers::EndsWith;
using Catch::Matchers::StartsWith;

TEST_CASE("Numbers and times are written for people", "[progress]") {
  REQUIRE(grouped(0) == "0");
  REQUIRE(grouped(999) == "999");
  REQUIRE(grouped(1000) == "1,000");
  REQUIRE(grouped(-123456) == "-123,456");
  REQUIRE(grouped(1234567) == "1,234,567");
  REQUIRE(human_seconds(0.36) == "0.4 s");
  REQUIRE(human_seconds(12.4) == "12 s");
  REQUIRE(human_seconds(59.7) == "1 min 00 s");
  REQUIRE(human_seconds(200) == "3 min 20 s");
  REQUIRE(human_seconds(7500) == "2 h 05 min");
}

TEST_CASE("A progress line tells share, rate, and the time left", "[progress]") {
  REQUIRE(progress_line("Loading", "photos", 512, 3641, 512, 2, "") ==
          "Loading: 512 of 3,641 photos (14%), 256 photos/s, 12 s left");
  REQUIRE(progress_line("Loading", "photos", 3641, 3641, 3641, 7.2, "3 unreadable") ==
          "Loading: 3,641 of 3,641 photos, 506 photos/s, 7.2 s, 3 unreadable");
  // After a resume only what was done since counts: 10 in 5 s.
  REQUIRE(progress_line("Training", "epochs", 50, 60, 10, 5, "loss 0.5") ==
          "Training: 50 of 60 epochs (83%), 2.0 epochs/s, 5.0 s left, loss 0.5");
  REQUIRE(progress_line("Training", "epochs", 0, 60, 0, 0, "") == "Training: 0 of 60 epochs (0%)");
  REQUIRE(progress_line("Nothing", "files", 0, 0, 0, 1, "") == "Nothing: 0 of 0 files");
}

TEST_CASE("Plain lines come rarely, and one at the end", "[progress]") {
  std::ostringstream out;
  {
    Progress progress("Loading", "photos", 1000, ProgressStyle::lines, out);
    for (int i = 1; i <= 1000; ++i) progress.update(i);
    REQUIRE(out.str().empty());  // much less than two seconds have passed
    progress.finish("done");
  }
  REQUIRE_THAT(out.str(), StartsWith("Loading: 1,000 of 1,000 photos"));
  REQUIRE_THAT(out.str(), EndsWith(", done\n"));
}

TEST_CASE("A live line is rewritten in place and ended once", "[progress]") {
  std::ostringstream out;
  {
    Progress progress("Loading", "photos", 10, ProgressStyle::live, out);
    progress.update(5);
    progress.finish();
  }
  REQUIRE_THAT(out.str(), StartsWith("\rLoading: "));
  REQUIRE_THAT(out.str(), EndsWith("\x1b[K\n"));
}

TEST_CASE("A live line makes room and comes back", "[progress]") {
  std::ostringstream out;
  Progress progress("Loading", "photos", 10, ProgressStyle::live, out);
  progress.clear();  // there is none yet
  REQUIRE(out.str().empty());
  progress.finish();
  const std::string ended = out.str();
  progress.clear();
  REQUIRE(out.str() == ended);
  std::ostringstream other;
  Progress live("Loading", "photos", 10, ProgressStyle::live, other);
  while (other.str().empty()) live.update(1);
  live.clear();
  REQUIRE_THAT(other.str(), EndsWith("\r\x1b[K"));
  live.update(2);  // at once, whatever the time
  REQUIRE_THAT(other.str(), Contains("2 of 10"));
}

TEST_CASE("Quiet progress writes nothing", "[progress]") {
  std::ostringstream out;
  Progress progress("Loading", "photos", 10, ProgressStyle::quiet, out);
  progress.update(5);
  progress.finish();
  REQUIRE(out.str().empty());
  REQUIRE(progress_style(true) == ProgressStyle::quiet);
}

}  // namespace
}  // namespace gan
