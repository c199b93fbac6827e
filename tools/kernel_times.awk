# Sums up what ncu measured, kernel by kernel:
#
#   ncu --csv --print-units base --metrics gpu__time_duration.sum,dram__bytes_read.sum,dram__bytes_write.sum ... >FILE
#   awk -f tools/kernel_times.awk FILE
#
# MB, GB/s: what went from and to memory, past the L2 cache. The last line is the sum. Exit code 1: no
# kernels in the file.

# The name and its template arguments, without namespaces, casts and parameters.
function short(name, i, c, depth) {
  sub(/^void /, "", name)
  gsub(/\(anonymous namespace\)::|<unnamed>::|gan::|cuda::|gpu::|\(int\)|\(bool\)/, "", name)
  depth = 0
  for (i = 1; i <= length(name); ++i) {
    c = substr(name, i, 1)
    if (c == "<") ++depth
    if (c == ">") --depth
    if (c == "(" && depth == 0) break
  }
  return substr(name, 1, i - 1)
}

/^"ID"/ {
  count = split(substr($0, 2, length($0) - 2), heads, "\",\"")
  for (i = 1; i <= count; ++i) column[heads[i]] = i
  next
}
/^"/ && count {
  split(substr($0, 2, length($0) - 2), cells, "\",\"")
  id = cells[column["ID"]]
  metric = cells[column["Metric Name"]]
  unit = cells[column["Metric Unit"]]
  value = cells[column["Metric Value"]]
  gsub(/,/, "", value)
  if (metric == "gpu__time_duration.sum") {
    nanoseconds[id] = value * (unit ~ /^(us|usecond)/ ? 1e3 : unit ~ /^(ms|msecond)/ ? 1e6 : 1)
    kernel[id] = short(cells[column["Kernel Name"]])
  }
  if (metric ~ /^dram__bytes_/) bytes[id] += value
}
END {
  for (id in kernel) {
    name = kernel[id]
    if (!(name in time)) ++kinds
    time[name] += nanoseconds[id]
    ++launches[name]
    bytes_sum[name] += bytes[id]
    total += nanoseconds[id]
    ++kernels
  }
  if (!kernels) {
    print "no kernels in the file"
    exit 1
  }
  print "      us  share  launches       MB   GB/s  kernel"
  fflush()
  for (name in time) {
    printf "%8.1f %5.1f%% %9d %8.1f %6.0f  %s\n", time[name] / 1e3, 100 * time[name] / total, \
      launches[name], bytes_sum[name] / 1e6, bytes_sum[name] / time[name], name | "sort -rn"
  }
  close("sort -rn")
  for (name in time) if (time[name] > longest) { longest = time[name]; top = name }
  printf "%d kernels of %d kinds, %.3f ms; most of it, %.0f%%: %s\n", kernels, kinds, total / 1e6, \
    100 * longest / total, top
}
