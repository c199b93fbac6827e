#!/usr/bin/env bash
# check_structure.sh ROOT: fails when a library includes one to its right (engine <- kernels <- model
# <- train <- tools), or a source file has more than 600 lines.
set -u
cd "$1" || exit 2
status=0

layers=(engine kernels model train tools)
for i in "${!layers[@]}"; do
  for upper in "${layers[@]:i+1}" tests; do
    found=$(grep -rnE "#include [\"<]$upper/" "${layers[i]}" --include='*.h' --include='*.cpp' \
      --include='*.cu' --include='*.cuh')
    if [ -n "$found" ]; then
      echo "${layers[i]}/ includes upward, from $upper/:"
      echo "$found"
      status=1
    fi
  done
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
