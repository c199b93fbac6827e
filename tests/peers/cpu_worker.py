#!/usr/bin/env python3
"""One measurement of one peer, for cpu_peers.py: a process of its own, in whichever Python has the peer.

  cpu_worker.py list                                                  what this Python has, as JSON
  cpu_worker.py measure PEER WHAT WIDTH BATCH THREADS SECONDS         seconds of one run

Exits with 77 when the peer cannot do WHAT ("inference" or "training step").
"""
import json
import statistics
import sys
import time

FEWEST_REPEATS = 3  # as gan_bench
CANNOT = 77
SIZE = 128


def timed(body):
    start = time.perf_counter()
    body()
    return time.perf_counter() - start


def measure(body, seconds):
    """Median of one run's seconds."""
    warm = timed(body)
    repeats = max(FEWEST_REPEATS, min(10_000, int(seconds / warm)))
    return statistics.median(timed(body) for _ in range(repeats))


def require_fast_blas(torch):
    """Debian's reference BLAS makes PyTorch's transposed convolutions twenty times slower: a
    comparison with that would flatter us."""
    a = torch.rand(768, 768)
    gflops = 2 * 768**3 / measure(lambda: a @ a, 0.2) / 1e9
    if gflops < 5:
        sys.exit(f"cpu_worker.py: PyTorch multiplies matrices at {gflops:.1f} GFLOP/s, so it has no fast "
                 "BLAS; install one (apt-get install libopenblas0-pthread) and run again")


def torch_step(torch, width, batch, memory_format):
    from nets import Discriminator, F, Generator
    g = Generator(width).to(memory_format=memory_format)
    d = Discriminator(dropout=0.3).to(memory_format=memory_format)
    adam_g = torch.optim.Adam(g.parameters(), 2e-4, (0.5, 0.999))
    adam_d = torch.optim.Adam(d.parameters(), 1e-4, (0.5, 0.999))
    x, y = (torch.rand(batch, 3, SIZE, SIZE).contiguous(memory_format=memory_format)
            for _ in range(2))
    ones, zeros = torch.ones(batch, 1), torch.zeros(batch, 1)
    bce = F.binary_cross_entropy_with_logits

    def step():
        f = g(x)
        loss = bce(d(y), ones) + bce(d(f.detach()), zeros)
        adam_d.zero_grad(set_to_none=True)
        loss.backward()
        adam_d.step()
        d.requires_grad_(False)  # only G learns from this pass
        loss = bce(d(f), ones) + 75 * F.l1_loss(f, y)
        adam_g.zero_grad(set_to_none=True)
        loss.backward()
        adam_g.step()
        d.requires_grad_(True)

    return step


def torch_inference(torch, width, batch, memory_format, traced=False):
    from nets import Generator
    g = Generator(width).eval().to(memory_format=memory_format)
    x = torch.rand(batch, 3, SIZE, SIZE).contiguous(memory_format=memory_format)
    if traced:
        with torch.no_grad():
            g = torch.jit.optimize_for_inference(torch.jit.trace(g, x))

    def infer():
        with torch.no_grad():
            g(x)

    return infer


def torch_body(how, what, width, batch, threads):
    import torch
    torch.set_num_threads(threads)
    require_fast_blas(torch)
    memory_format = torch.channels_last if how == "channels-last" else torch.contiguous_format
    if what == "inference":
        return torch_inference(torch, width, batch, memory_format, how == "traced")
    return torch_step(torch, width, batch, memory_format) if how != "traced" else None


def onnx_model(width, batch):
    """The generator's shapes with random weights: convolution, batch norm, ReLU, as they come from an
    exporter. What to fuse is the runtime's business."""
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper
    random = np.random.default_rng(1)
    nodes, values = [], []

    def value(name, *shape, low=-0.05, high=0.05):
        array = random.uniform(low, high, shape).astype(np.float32)
        values.append(numpy_helper.from_array(array, name))
        return name

    def block(name, x, inputs, outputs, stride=1, up=False):
        shape = (inputs, outputs, 3, 3) if up else (outputs, inputs, 3, 3)
        attributes = {"kernel_shape": [3, 3], "strides": [2, 2] if up else [stride, stride],
                      "pads": [1, 1, 1, 1]}
        if up:
            attributes["output_padding"] = [1, 1]
        nodes.append(helper.make_node("ConvTranspose" if up else "Conv", [x, value(name + ".w", *shape)],
                                      [name + ".conv"], **attributes))
        norm = [value(f"{name}.{part}", outputs, low=0.5, high=1.5)
                for part in ("gamma", "beta", "mean", "var")]
        nodes.append(helper.make_node("BatchNormalization", [name + ".conv", *norm], [name + ".bn"]))
        nodes.append(helper.make_node("Relu", [name + ".bn"], [name]))
        return name

    def concat(name, *parts):
        nodes.append(helper.make_node("Concat", list(parts), [name], axis=1))
        return name

    w = width
    a = block("enc2", block("enc1", "gray", 3, w, 2), w, 2 * w)
    b = block("enc4", block("enc3", a, 2 * w, 2 * w, 2), 2 * w, 4 * w)
    x = block("dec1", block("enc5", b, 4 * w, 8 * w, 2), 8 * w, 4 * w, up=True)
    x = block("dec2", concat("up2", x, b), 8 * w, 2 * w, up=True)
    x = block("dec3", concat("up3", x, a), 4 * w, w, up=True)
    nodes.append(helper.make_node("Conv", [x, value("out.w", 3, w, 3, 3), value("out.b", 3)], ["out"],
                                  kernel_shape=[3, 3], pads=[1, 1, 1, 1]))
    nodes.append(helper.make_node("Sigmoid", ["out"], ["color"]))
    pictures = [batch, 3, SIZE, SIZE]
    graph = helper.make_graph(
        nodes, "generator", [helper.make_tensor_value_info("gray", TensorProto.FLOAT, pictures)],
        [helper.make_tensor_value_info("color", TensorProto.FLOAT, pictures)], values)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8  # of that time: old runtimes read it, too
    return model.SerializeToString()


def onnx_body(what, width, batch, threads):
    if what != "inference":
        return None
    import numpy as np
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(onnx_model(width, batch), options,
                                           providers=["CPUExecutionProvider"])
    gray = np.random.default_rng(2).random((batch, 3, SIZE, SIZE), dtype=np.float32)
    return lambda: session.run(None, {"gray": gray})


def list_peers():
    peers, missing = {}, []
    try:
        import torch
        for how in ("contiguous", "channels-last", "traced"):
            peers[f"PyTorch {torch.__version__} {how}"] = f"torch {how}"
    except ImportError as error:
        missing.append(f"PyTorch ({error})")
    try:
        import onnx
        import onnxruntime
        peers[f"ONNX Runtime {onnxruntime.__version__}"] = "onnx"
        assert onnx
    except ImportError as error:
        missing.append(f"ONNX Runtime ({error})")
    return {"peers": peers, "missing": missing}


def main():
    if sys.argv[1:] == ["list"]:
        print(json.dumps(list_peers()))
        return
    if len(sys.argv) != 8 or sys.argv[1] != "measure":
        sys.exit(__doc__)
    peer, what = sys.argv[2], sys.argv[3]
    width, batch, threads = map(int, sys.argv[4:7])
    if peer == "onnx":
        body = onnx_body(what, width, batch, threads)
    else:
        body = torch_body(peer.split(" ")[1], what, width, batch, threads)
    if body is None:
        sys.exit(CANNOT)
    print(measure(body, float(sys.argv[7])))


if __name__ == "__main__":
    main()
