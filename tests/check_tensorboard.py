#!/usr/bin/env python3
"""Reads the TensorBoard file of a run the way its formats are specified, without our code, and compares every
number with log.csv.

  check_tensorboard.py RUN

TFRecord: https://www.tensorflow.org/tutorials/load_data/tfrecord; Event: event.proto and summary.proto.
"""
import csv
import glob
import os
import struct
import sys


def crc32c(data):
    crc = 0xffffffff
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
    return crc ^ 0xffffffff


def masked(data):
    crc = crc32c(data)
    return ((crc >> 15 | crc << 17) + 0xa282ead8) & 0xffffffff


def records(data):
    while data:
        length, length_crc = struct.unpack("<QI", data[:12])
        assert length_crc == masked(data[:8]), "checksum of a length"
        body, data = data[12:12 + length], data[12 + length:]
        assert struct.unpack("<I", data[:4])[0] == masked(body), "checksum of a record"
        data = data[4:]
        yield body


def fields(message):
    """(number, value) of each field; values of wire type 2 are bytes."""
    at = 0

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = message[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while at < len(message):
        key = varint()
        kind = key & 7
        if kind == 0:
            value = varint()
        else:
            size = varint() if kind == 2 else {1: 8, 5: 4}[kind]
            value = message[at:at + size]
            at += size
        yield key >> 3, value


def main():
    folder = sys.argv[1]
    paths = glob.glob(os.path.join(folder, "tensorboard", "events.out.tfevents.*"))
    assert len(paths) == 1, f"one event file expected, found {paths}"
    with open(paths[0], "rb") as file:
        events = [dict(fields(record)) for record in records(file.read())]
    assert events[0][3] == b"brain.Event:2", "file version"
    with open(os.path.join(folder, "log.csv"), newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(events) == 1 + len(rows), f"{len(events)} events for {len(rows)} epochs"
    last, numbers = 0, 0
    for event, row in zip(events[1:], rows):
        assert event[2] == int(row["step"]), "step"
        wall_time = struct.unpack("<d", event[1])[0]
        assert wall_time > last, "times"
        last = wall_time
        found = {}
        for number, value in fields(event[5]):
            assert number == 1
            scalar = dict(fields(value))
            found[scalar[1].decode().split("/")[1]] = struct.unpack("<f", scalar[2])[0]
        expected = {name: float(text) for name, text in row.items() if text and name not in ("step", "epoch")}
        assert found.keys() == expected.keys(), found.keys() ^ expected.keys()
        for name, value in expected.items():
            assert abs(found[name] - value) <= 1e-6 * abs(value), (name, found[name], value)
        numbers += len(found)
    print(f"{len(rows)} epochs, {numbers} numbers as in log.csv")


if __name__ == "__main__":
    main()
