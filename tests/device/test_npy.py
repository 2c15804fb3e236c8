# SPDX-License-Identifier: MIT
# ruff: noqa: B904, B905
# Samples from .npy files: versions, types, shapes, and what each wrong file is told.

try:
    import os
    import struct
    from array import array

    from microt.sources import npy
except ImportError:
    print("SKIP needs microt")
    raise SystemExit

PATH = "test_npy.tmp"


def write(text, values, version=1, magic=b"\x93NUMPY"):
    # as numpy.lib.format.write_array does, padding aside
    length = struct.pack("<H" if version == 1 else "<I", len(text))
    with open(PATH, "wb") as file:
        file.write(magic + bytes((version, 0)) + length + text.encode() + values)


def header(descr, order, shape):
    return "{'descr': '%s', 'fortran_order': %s, 'shape': %s, }\n" % (descr, order, shape)


def refused(words):
    try:
        npy.open(PATH)
    except ValueError as error:
        for word in words:
            assert word in str(error), (word, error)
        return
    raise AssertionError("expected ValueError")


try:
    values = bytes(range(200, 224))
    for version in (1, 2):
        write(header("|u1", False, (4, 2, 3)), values, version)
        samples = npy.open(PATH)
        assert len(samples) == 4 and samples.shape == (2, 3) and samples.size == 6
        for i in (3, 0, 2):
            assert bytes(samples[i]) == values[6 * i : 6 * i + 6]
        samples.close()
    for wrong in (4, -1):
        samples = npy.open(PATH)
        try:
            samples[wrong]
            raise AssertionError
        except IndexError as error:
            assert "0 to 3" in str(error)
    write(header("|i1", False, (2, 3)), b"\xff\x01\x80\x7f\x00\x02")
    samples = npy.open(PATH)
    assert list(samples[0]) == [-1, 1, -128] and list(samples[1]) == [127, 0, 2]
    assert isinstance(samples[0], array)
    samples.close()
    write(header("<i2", False, (2, 3)), b"\x01\x00\xff\xff\x00\x80" + b"\x02\x01" * 3)
    samples = npy.open(PATH)
    assert samples.size == 6 and samples.shape == (3,)
    assert list(array("h", bytes(samples[0]))) == [1, -1, -32768] and bytes(samples[1]) == b"\x02\x01" * 3
    print("read")

    # bytes of int16, as they come from flash and from a line
    window = bytes(samples[1])
    samples.close()
    assert npy.save(PATH, window, (1, 3), "int16") == os.stat(PATH)[6] == 128 + 6
    again = npy.open(PATH)
    assert again.dtype == "int16" and again.shape == (3,) and bytes(again[0]) == b"\x02\x01" * 3
    again.close()
    for shape, dtype, words in (((2,), "int16", "2 values"), (None, "float32", "uint8, int8 or int16")):
        try:
            npy.save(PATH, bytes(6), shape, dtype)
            raise AssertionError
        except ValueError as error:
            assert words in str(error), error
    print("write")

    write(header("<f4", False, (2, 3)), bytes(24))
    refused(("uint8, int8 or int16", "<f4"))
    write(header("<i2", False, (2, 3)), bytes(11))
    refused(("12 bytes", "got 11"))
    write(header("|u1", True, (2, 3)), bytes(6))
    refused(("C order", "Fortran"))
    write(header("|u1", False, (2, 3)), bytes(5))
    refused(("6 bytes", "got 5"))
    write(header("|u1", False, "(6,)"), bytes(6))
    refused(("samples x shape", "(6,)"))
    write("{}", b"")
    refused(("'descr':",))
    write(header("|u1", False, (2, 3)), bytes(6), magic=b"PK\x03\x04zz")
    refused((PATH, ".npy"))
    write(header("|u1", False, (2, 3)), bytes(6), version=3)
    refused((PATH, "version 1 or 2"))
finally:
    os.remove(PATH)
print("OK")
