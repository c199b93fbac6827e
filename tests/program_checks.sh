# shellcheck shell=bash
# What the tests of programs share; sourced by them. Their first argument is the folder with the programs,
# $bin. Goes to an empty folder, $work, and counts.
bin=$(cd "$1" && pwd) || exit 2
work=$(mktemp -d)
cd "$work" || exit 2
failures=0 checks=0

fail() {
  echo "FAILED: $*"
  failures=$((failures + 1))
}

# expect CODE TEXT PROGRAM ARGUMENTS...: runs it and looks at the exit code, at TEXT on stderr or stdout
# (a regular expression), and that a failure says so in one line beside the device line.
expect() {
  local code=$1 text=$2 program=$3
  shift 3
  checks=$((checks + 1))
  "$bin/$program" "$@" >out.txt 2>err.txt
  local found=$?
  [ "$found" = "$code" ] || fail "$program $* exited $found, expected $code: $(tail -1 err.txt)"
  grep -qE -- "$text" out.txt err.txt || fail "$program $*: no '$text' in: $(cat out.txt err.txt)"
  if [ "$code" -gt 1 ]; then
    local lines
    lines=$(grep -cvE '^(device|data|note):|^Loading' err.txt)
    [ "$lines" = 1 ] || fail "$program $*: $lines lines of error, expected one: $(cat err.txt)"
  fi
}

exists() { [ -s "$1" ] || fail "$1 is missing or empty"; }
absent() { [ ! -e "$1" ] || fail "$1 should not be there"; }
size_of() { identify -format '%wx%h' "$1"; }

# Nothing half-written anywhere.
no_leftovers() {
  local leftovers
  leftovers=$(find . -name '*.tmp*' -o -name '.*.part' -o -name '.writable')
  [ -z "$leftovers" ] || fail "left behind: $leftovers"
}

# finish NAME: the last line, and whether all went well.
finish() {
  echo "$1: $checks runs, $failures failures"
  [ "$failures" = 0 ]
}
