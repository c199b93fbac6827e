#!/usr/bin/env bash
# report_page.sh BIN: the page of a real run. Its numbers are log.csv's; and in a real browser its scripts run
# without an error, all curves are drawn, nothing is wider than the screen, and the picture is not blank. Exits
# 77, skipped, where there is no Chromium.
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

# The page's numbers are the log's, digit by digit; what it says of the best epoch is that row, rounded.
grep -qF "\"columns\":[\"$(head -1 run/log.csv | sed 's/,/","/g')\"]" run/index.html ||
  fail "the page has other columns than log.csv"
tail -n +2 run/log.csv | sed -E ':again; s/,,/,null,/; t again; s/,$/,null/; s/.*/[&]/' >log_rows.txt
grep -oE '^\[[-+0-9.e,nul]+\]' run/index.html >page_rows.txt
cmp log_rows.txt page_rows.txt || fail "the page's rows are not log.csv's"
best() { # COLUMN DIGITS
  awk -F, -v name="$1" -v digits="$2" 'NR == 1 { for (i = 1; i <= NF; ++i) at[$i] = i }
    NR > 1 && $at["best"] == 1 { value = $at[name] } END { printf "%.*f", digits, value }' run/log.csv
}
for tile in "best epoch:epoch:0" "CIEDE2000 there:ciede2000:2" "colourfulness:colorfulness_ratio:2" "PSNR, dB:psnr:2"; do
  IFS=: read -r title column digits <<<"$tile"
  grep -qF "<dt>$title</dt><dd>$(best "$column" "$digits")</dd>" run/index.html ||
    fail "the page's $title is not log.csv's $(best "$column" "$digits")"
done

# In frames of a given width, since windows have a least one. What the frames hold is told in the title.
cat >frames.html <<'END'
<!doctype html><title>not loaded</title><body style="margin:0;display:flex;gap:20px;background:gray">
<iframe id="wide" src="run/index.html" style="border:0;width:1000px;height:1500px"></iframe>
<iframe id="narrow" src="run/index.html" style="border:0;width:320px;height:1500px"></iframe>
<script>
onload = () => setTimeout(() => {
  document.title = [wide, narrow].map((frame) => {
    const page = frame.contentDocument;
    const curves = [...page.querySelectorAll('path.curve')].map((curve) => curve.getAttribute('d'));
    return [page.documentElement.scrollWidth, curves.length, curves.filter((d) => !/^M[0-9]/.test(d) || /[a-gi-z]/.test(d)).length,
            page.querySelectorAll('.album img[alt$="output"]').length].join(' ');
  }).join('; ');
}, 500);
</script>
END
browse --dump-dom --window-size=1400,1500 "file://$work/frames.html"
read -r told < <(grep -o '<title>.*</title>' page.txt | sed 's/<[^>]*>//g')
[[ $told =~ ^(1000)\ ([0-9]+)\ 0\ ([0-9]+)\;\ (320)\ ([0-9]+)\ 0\ ([0-9]+)$ ]] ||
  fail "width, curves, bad curves, photos of both frames are $told"
curves=${BASH_REMATCH[2]:-0} photos=${BASH_REMATCH[3]:-0}
[ "$curves" -ge 15 ] || fail "$curves curves are drawn, expected 15 or more"
[ "$photos" -ge 1 ] || fail "no photos are shown"
browse --screenshot="$work/page.png" --window-size=1340,1500 "file://$work/frames.html"
for part in 1000x1500+0+0 320x1500+1020+0; do
  colors=$(convert page.png -crop $part +repage -format '%k' info:)
  [ "${colors:-0}" -ge 200 ] || fail "the picture of the page, $part, has ${colors:-no} colours"
done

echo "report_page: $curves curves, $photos photos, $failures failures"
[ "$failures" = 0 ]
