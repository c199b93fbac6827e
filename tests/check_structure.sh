#!/usr/bin/env bash
# check_structure.sh ROOT: fails when a library includes one to its right (engine <- kernels <- model
# <- train <- tools), when a folder of train/ does, or when a source file has more than 600 lines.
set -u
cd "$1" || exit 2
status=0

# in_order PREFIX FOLDERS...: none of the folders, under PREFIX, includes one that comes after it.
in_order() {
  local prefix=$1 folder upper found
  shift
  while [ $# -gt 0 ]; do
    folder=$1
    shift
    for upper in "$@"; do
      found=$(grep -rnE "#include [\"<]$prefix$upper/" "$prefix$folder" --include='*.h' --include='*.cpp' \
        --include='*.cu' --include='*.cuh')
      if [ -n "$found" ]; then
        echo "$prefix$folder/ includes upward, from $prefix$upper/:"
        echo "$found"
        status=1
      fi
    done
  done
}
layers=(engine kernels model train tools)
in_order '' "${layers[@]}" tests
parts=(photo image color data metrics state recipe files report run)
in_order train/ "${parts[@]}"
for folder in train/*/; do
  if [[ " ${parts[*]} " != *" $(basename "$folder") "* ]]; then
    echo "$folder has no place in the order of train/'s folders in $0"
    status=1
  fi
done

while read -r lines file; do
  if [ "$file" != total ] && [ "$lines" -gt 600 ]; then
    echo "$file has $lines lines, more than 600: split it"
    status=1
  fi
done < <(find "${layers[@]}" tests \( -name '*.h' -o -name '*.cpp' -o -name '*.cu' -o -name '*.cuh' \
  -o -name '*.py' -o -name '*.sh' \) -exec wc -l {} +)

[ "$status" = 0 ] && echo "structure: all includes point left, no file over 600 lines"
exit "$status"
