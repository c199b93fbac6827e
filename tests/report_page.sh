#!/usr/bin/env bash
# report_page.sh BIN: looks at the page of a real run in a real browser: scripts run without an error, all
# curves are drawn, nothing is wider than the screen, and the picture is not blank. Exits 77, skipped, where
# there is no Chromium.
set -u
bin=$(cd "$1" && pwd) || exit 2
browser=$(command -v chromium || command -v chromium-browser || command -v google-chrome) || {
  echo "report_page: SKIPPED, there is no Chromium to look at the page with (apt-get install chromium)"
  exit 77
}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 2
failures=0

fail() {
  echo "FAILED: $*"
  failures=$((failures + 1))
}

browse() { # ARGUMENTS...: output to page.txt, messages of the page's script to messages.txt
  timeout 120 "$browser" --headless --no-sandbox --disable-gpu --hide-scrollbars --user-data-dir="$work/profile" \
    --allow-file-access-from-files --virtual-time-budget=5000 --enable-logging=stderr "$@" >page.txt 2>messages.txt ||
    fail "the browser exited $?: $(tail -1 messages.txt)"
  ! grep -q 'CONSOLE' messages.txt || fail "the page's script says: $(grep -m 3 CONSOLE messages.txt)"
}

"$bin/gan_flowers" photos --count 16 --seed 3 >/dev/null 2>&1 || fail "gan_flowers"
"$bin/gan_train" photos --width 4 --batch-size 4 --epochs 4 --supervised 0.5 --out "run's & <co>" >/dev/null 2>err.txt ||
  fail "gan_train: $(tail -1 err.txt)"
cp -r "run's & <co>" run

browse --dump-dom "file://$work/run/index.html"
drawn=$(grep -o '<path class="curve s[0-9]" d="M[0-9]' page.txt | wc -l)
[ "$drawn" -ge 15 ] || fail "$drawn curves are drawn, expected 15 or more"
! grep -qE 'd="[^"]*(NaN|undefined|Infinity)' page.txt || fail "curves hold no numbers"
[ "$(grep -o 'alt="photo [0-9]*, output"' page.txt | wc -l)" -ge 1 ] || fail "no photos are shown"
grep -q 'How often D is right' page.txt || fail "D's accuracy is missing"

# In a frame of a given width, since windows have a least one.
cat >frame.html <<'END'
<body style="margin:0"><iframe id="frame" src="run/index.html" style="border:0;height:900px"></iframe><script>
frame.style.width = location.search.slice(1) + 'px';
frame.onload = () => setTimeout(() => { document.title = 'width ' + frame.contentDocument.documentElement.scrollWidth; }, 500);
</script>
END
for width in 320 1280; do
  browse --dump-dom --window-size=1400,900 "file://$work/frame.html?$width"
  grep -q "<title>width $width</title>" page.txt || fail "at $width pixels: $(grep -o '<title>.*</title>' page.txt)"
  browse --screenshot="$work/$width.png" --window-size=1400,900 "file://$work/frame.html?$width"
  colors=$(identify -format '%k' "$width.png")
  [ "${colors:-0}" -ge 200 ] || fail "the picture of the page, $width pixels wide, has ${colors:-no} colours"
done

echo "report_page: $drawn curves, $failures failures"
[ "$failures" = 0 ]
