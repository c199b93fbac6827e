#!/usr/bin/env python3
"""PyTorch loads weights files of ours with load_state_dict and colours like our program.

  torch_weights.py [WEIGHTS...] [--check build/bin/parity_check]

A file is read with the public safetensors package where it is installed. PyTorch's answers to a
few random gray pictures go to parity_check, which runs them through our network. Exits with 1 when
any number differs by more than 1e-3.
"""
import argparse
import os
import subprocess
import sys
import tempfile

import numpy as np
import tensor_files
from nets import network_of, torch

try:
    from safetensors.numpy import load_file
except ImportError:
    load_file = None


def check(path, program):
    """Whether our network and PyTorch's answer alike."""
    tensors, metadata = tensor_files.read(path)
    if load_file:
        tensors = load_file(path)
    print(path, "read with", "the safetensors package" if load_file else "tensor_files.py", flush=True)
    net = network_of(metadata)
    state = {name: torch.from_numpy(array.astype(np.float32)) for name, array in tensors.items()}
    for name, parameter in net.state_dict().items():
        if name.endswith("num_batches_tracked"):  # PyTorch's count, which inference ignores
            state[name] = parameter
    net.load_state_dict(state)  # strict: every name and shape has to fit
    net.eval()

    gray = torch.rand(2, 1, 128, 128, generator=torch.Generator().manual_seed(1))
    x = gray.expand(-1, 3, -1, -1).contiguous()
    with torch.no_grad():
        y = net(x)
    with tempfile.TemporaryDirectory() as folder:
        pair = os.path.join(folder, "pair.safetensors")
        tensor_files.write(pair, {"x": x.numpy(), "y": y.numpy()}, {})
        return subprocess.run([program, path, pair]).returncode == 0


def main():
    root = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", nargs="*", default=[os.path.join(root, "data/weights/flowers.bin")])
    parser.add_argument("--check", default=os.path.join(root, "build/bin/parity_check"))
    args = parser.parse_args()
    good = [check(path, args.check) for path in args.weights]
    sys.exit(0 if all(good) else 1)


if __name__ == "__main__":
    main()
