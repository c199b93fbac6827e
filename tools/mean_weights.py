#!/usr/bin/env python3
"""The mean of two weights files of one network, tensor by tensor, with the second one's metadata.

  mean_weights.py FIRST SECOND OUT

Of two moments of one run the mean is often as good as the better one and less extreme (Izmailov et al.
2018, arXiv 1803.05407). Both files have to be in float32.
"""
import json
import struct
import sys

import numpy as np


def read(path):
    with open(path, "rb") as file:
        data = file.read()
    start = 8 + struct.unpack("<Q", data[:8])[0]
    return json.loads(data[8:start]), data[:start], np.frombuffer(data[start:], "<f4")


def main():
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    (first, _, a), (second, head, b) = read(sys.argv[1]), read(sys.argv[2])
    first.pop("__metadata__", None)
    tensors = {name: entry for name, entry in second.items() if name != "__metadata__"}
    if first != tensors or any(entry["dtype"] != "F32" for entry in tensors.values()):
        sys.exit(f"mean_weights.py: {sys.argv[1]} and {sys.argv[2]} are not the same network in float32")
    with open(sys.argv[3], "wb") as file:
        file.write(head + ((a.astype(np.float64) + b) / 2).astype("<f4").tobytes())


if __name__ == "__main__":
    main()
