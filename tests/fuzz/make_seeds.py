#!/usr/bin/env python3
"""Writes the seeds of the zip, pickle, weights and tar fuzz targets, and some of safetensors:
make_seeds.py SEEDS_DIR.

Needs Python's standard library only; the names of PyTorch's functions are put together by hand. The
seeds are small, each with something of its own, so that mutations reach every branch of the
parsers. The golden files of torch.save serve as further seeds where they lie.
"""
import argparse
import collections
import io
import json
import pickle
import struct
import sys
import tarfile
import zipfile
from pathlib import Path

OUT = Path(sys.argv[1])


def write(folder, name, data):
    path = OUT / folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


# -- pickles ---------------------------------------------------------------------------------------
def text(value):
    return b"X" + struct.pack("<I", len(value)) + value.encode()


def integer(value):
    return b"K" + bytes([value]) if 0 <= value < 256 else b"\x8a\x08" + struct.pack("<q", value)


def name(module, attribute):
    return f"c{module}\n{attribute}\n".encode()


def items(*parts):
    return b"(" + b"".join(parts) + b"t"


def call(module, attribute, *args):
    return name(module, attribute) + items(*args) + b"R"


def table(**entries):
    return b"}(" + b"".join(text(key) + value for key, value in entries.items()) + b"u"


def numbers(*values):
    return items(*map(integer, values))


def storage(key, count, kind="FloatStorage", *view):
    return items(text("storage"), name("torch", kind), text(key), text("cpu"), integer(count),
                 *view) + b"Q"


def tensor(key="0", count=2, shape=(2,), strides=(1,), offset=0, kind="FloatStorage"):
    return call("torch._utils", "_rebuild_tensor_v2", storage(key, count, kind), integer(offset),
                numbers(*shape), numbers(*strides), b"\x89", call("collections", "OrderedDict"))


def untyped(dtype):
    return call("torch._utils", "_rebuild_tensor_v3", storage("0", 8, "UntypedStorage"),
                integer(0), numbers(2), numbers(1), b"\x89", b"N", name("torch", dtype))


def whole(piece):
    return b"\x80\x02" + piece + b"."


def numpy_scalar(code, order, data):
    dtype = call("numpy", "dtype", text(code), b"\x89", b"\x88")
    state = items(integer(3), text(order), b"NNN", b"J\xff\xff\xff\xff" * 2, integer(0)) + b"b"
    return call("numpy.core.multiarray", "scalar", dtype + state,
                b"C" + bytes([len(data)]) + data)


class Slotted:
    __slots__ = ("a",)


def pickles():
    plain = {"a": [1, -2, 3.5, 300, 70000, 2**40, 10**30, -10**30], "t": (1,), "u": (1, 2),
             "n": None, "b": [True, False], "s": "h\u00e9\n\\x", "y": b"\x00\xff", "l": [[]],
             "set": {1}, "frozen": frozenset([2]), "array": bytearray(b"xy"), "d": {5: {}}}
    slotted = Slotted()
    slotted.a = 1
    objects = {"plain": plain, "space": argparse.Namespace(lr=0.1, betas=[0.9, None]),
               "ordered": collections.OrderedDict(a=1), "slots": slotted, "complex": 1 + 2j,
               "default": collections.defaultdict(list, {"a": [1]}),
               "count": collections.Counter("aab")}
    for protocol in range(6):
        for key, value in objects.items():
            if key != "slots" or protocol >= 2:
                write("pickle", f"{key}_{protocol}.pkl", pickle.dumps(value, protocol))
    loop = []
    loop.append(loop)
    write("pickle", "loop.pkl", pickle.dumps(loop))
    by_hand = {
        "text_forms": b"(S'a\\n\\x41'\nVb\\u00e9\nT\x01\0\0\0cU\x01dI01\nI7\nL8L\nF1e3\nt.",
        "memo_forms": b"]p0\n(K\x01q\x01g0\nh\x01r\x02\0\0\0j\x02\0\0\0e2\x86.",
        "marks": b"(K\x011(K\x020K\x03K\x01\x85K\x01K\x02K\x03\x87(K\x01K\x02d(K\x01K\x02lt.",
        "instances": b"((ia\nB\n(ca\nB\nK\x01oca\nB\n)}\x92}K\x01K\x02sbt.",
        "calls": whole(items(call("torch", "Size", numbers(1)), call("__builtin__", "set", b"]"),
                             call("_codecs", "encode", text("x"), text("latin1")),
                             call("torch", "device", text("cuda"), integer(0)),
                             call("copy_reg", "_reconstructor", name("a", "B"), b"N", b"N"),
                             call("builtins", "bytearray", text("x"), text("latin-1")),
                             call("posix", "system", text("true")) + b")R")),
        "long_forms": b"(\x8d" + struct.pack("<Q", 1) + b"a\x8e" + struct.pack("<Q", 1) +
                      b"b\x96" + struct.pack("<Q", 1) + b"c\x8b\x02\0\0\0\xff\x7ft.",
        "numpy": whole(items(numpy_scalar("f8", "<", struct.pack("<d", 1.5)),
                             numpy_scalar("f4", "<", struct.pack("<f", 1.5)),
                             numpy_scalar("f2", "<", b"\x00\x3e"),
                             numpy_scalar("u8", "<", b"\xff" * 8), numpy_scalar("b1", "|", b"\1"),
                             numpy_scalar("i4", ">", b"\0\0\0\1"))),
        "tensors": whole(items(
            tensor(), tensor(kind="ComplexFloatStorage", key="1"), untyped("uint16"),
            call("torch._utils", "_rebuild_parameter", tensor(), b"\x88", b"N"),
            call("torch._tensor", "_rebuild_from_type_v2",
                 name("torch._utils", "_rebuild_tensor_v2"), name("a", "B"),
                 items(storage("0", 2), integer(0), numbers(), numbers()), b"N"),
            items(text("module"), name("a", "B"), text("b.py"), text("source")) + b"Q")),
        "view": whole(call("torch._utils", "_rebuild_tensor",
                           storage("0", 4, "FloatStorage", items(text("v"), integer(1),
                                                                 integer(2))),
                           integer(0), numbers(2), numbers(1))),
    }
    for key, data in by_hand.items():
        write("pickle", f"{key}.pkl", data)


# -- archives --------------------------------------------------------------------------------------
class Pipe(io.RawIOBase):
    """A file that cannot seek, so that zipfile writes data descriptors."""

    def __init__(self):
        self.data = b""

    def writable(self):
        return True

    def write(self, data):
        self.data += bytes(data)
        return len(data)


def archive(entries, stream=None, method=zipfile.ZIP_STORED, force64=False, comment=b""):
    stream = stream or io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as file:
        file.comment = comment
        for key, data in entries.items():
            info = zipfile.ZipInfo(key, (1980, 1, 1, 0, 0, 0))
            info.compress_type = method
            with file.open(info, "w", force_zip64=force64) as entry:
                entry.write(data)
    return stream.data if isinstance(stream, Pipe) else stream.getvalue()


def end64(data):
    """The same archive with a 64-bit end record."""
    end = data.rfind(b"PK\5\6")
    count, size, offset = struct.unpack("<HII", data[end + 10:end + 20])
    record = struct.pack("<4sQHHIIQQQQ", b"PK\6\6", 44, 45, 45, 0, 0, count, count, size, offset)
    locator = struct.pack("<4sIQI", b"PK\6\7", 0, end, 1)
    return data[:end] + record + locator + data[end:]


def large_fields(data):
    """The same archive with sizes and offset of its first entry in the 64-bit field."""
    at = data.find(b"PK\1\2")
    size, = struct.unpack("<I", data[at + 24:at + 28])
    length, = struct.unpack("<H", data[at + 28:at + 30])
    extra = struct.pack("<HHQQQ", 1, 24, size, size, 0)
    entry = bytearray(data[at:at + 46 + length])
    entry[20:28] = b"\xff" * 8
    entry[30:32] = struct.pack("<H", len(extra))
    entry[42:46] = b"\xff" * 4
    end = data.rfind(b"PK\5\6")
    directory = bytes(entry) + extra + data[at + 46 + length:end]
    record = bytearray(data[end:])
    record[12:16] = struct.pack("<I", len(directory))
    return data[:at] + directory + bytes(record)


def archives():
    two = {"a/x": b"data", "a/empty": b""}
    write("zip", "stored.zip", archive(two))
    write("zip", "comment.zip", archive(two, comment=b"a comment"))
    write("zip", "descriptors.zip", archive(two, Pipe()))
    write("zip", "local64.zip", archive(two, force64=True))
    write("zip", "end64.zip", end64(archive(two)))
    write("zip", "large_fields.zip", large_fields(archive({"a": b"data"})))
    write("zip", "deflated.zip", archive(two, method=zipfile.ZIP_DEFLATED))
    write("zip", "nothing.zip", archive({}))
    write("zip", "no_checksums.zip",
          archive({"a": b"data"}).replace(struct.pack("<I", 0xADF3F363), b"\0\0\0\0"))


# -- weight files ----------------------------------------------------------------------------------
DATA = struct.pack("<2f", 1.0, 2.0)
MAGIC = b"\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19"


def packed(piece, data=DATA):
    """An input that the target packs into an archive."""
    return b"PICK" + whole(piece) + b"DATA" + data


def safetensors(first, second):
    header = json.dumps({key: {"dtype": "U8", "shape": [4], "data_offsets": [4 * i, 4 * i + 4]}
                         for i, key in enumerate((first, second))}).encode()
    return struct.pack("<Q", len(header)) + header + DATA


def legacy(piece, keys, little=b"\x88"):
    head = whole(MAGIC) + whole(b"M\xe9\x03") + whole(table(little_endian=little))
    listed = b"](" + b"".join(map(text, keys)) + b"e"
    return head + whole(piece) + whole(listed) + (struct.pack("<Q", 2) + DATA) * len(keys)


def real(value):
    return b"G" + struct.pack(">d", value)


def official(groups=None, moments=None, index=b"K\0", **entries):
    """A small official checkpoint, with parts of the optimizer or whole entries replaced."""
    group = {"lr": real(0.1), "initial_lr": real(1.0), "weight_decay": real(0.1),
             "betas": items(real(0.9), real(0.99)), "eps": real(1e-8), "params": b"](K\0K\1e"}
    state = {"step": tensor(shape=(), strides=()), "exp_avg": tensor(), "exp_avg_sq": tensor()}
    group.update(groups or {})
    state.update(moments or {})
    optimizer = table(state=b"}" + index + table(**state) + b"s",
                      param_groups=b"]" + table(**group) + b"a")
    space = name("argparse", "Namespace") + b")\x81" + table(lr=real(0.1)) + b"b"
    scaler = table(scale=real(2.0), growth_factor=real(2.0), backoff_factor=real(0.5),
                   growth_interval=integer(9), _growth_tracker=integer(1))
    whole_file = {"model": table(w=tensor()), "optimizer": optimizer,
                  "lr_scheduler": table(base_values=b"](" + real(0.1) + b"e",
                                        t_initial=integer(9), metric=b"N", odd=b"]Na"),
                  "epoch": integer(3), "model_ema": table(w=tensor()), "scaler": scaler,
                  "args": space, "metadata": table(key=text("value"))}
    whole_file.update(entries)
    return packed(table(**whole_file))


def official_variants():
    def step(kind, key):
        return {"step": tensor(key=key, count=1, shape=(), strides=(), kind=kind)}

    yield "official", official()
    yield "group_without_list", official({"params": integer(1)})
    yield "group_of_texts", official({"params": b"]" + text("w") + b"a"})
    yield "one_beta", official({"betas": items(real(0.9))})
    yield "rate_is_tensor", official({"lr": tensor()})
    yield "moments_differ", official(moments={"exp_avg": tensor(shape=(1,))})
    yield "moment_is_text", official(moments={"exp_avg": text("x")})
    yield "index_is_text", official(index=text("w"))
    yield "step_double", official(moments=step("DoubleStorage", "1"))
    yield "step_long", official(moments=step("LongStorage", "1"))
    yield "step_byte", official(moments={"step": tensor(key="1", count=8, shape=(), strides=(),
                                                        kind="ByteStorage")})
    yield "step_int", official(moments={"step": tensor(key="1", count=2, shape=(), strides=(),
                                                       kind="IntStorage")})
    yield "scaler_off", official(scaler=b"}")
    yield "args_dict", official(args=table(lr=real(0.1)))
    yield "args_text", official(args=text("none"))
    yield "epoch_none", official(epoch=b"N")


def weight_files():
    wrapped = b"}(" + text("module.a") + tensor() + text("module.b") + tensor() + b"u"
    seeds = {
        **dict(official_variants()),
        "bare": packed(table(w=tensor())),
        "wrapped": packed(wrapped),
        "nested": packed(table(state_dict=table(model=table(w=tensor())))),
        "strided": packed(table(
            t=tensor(count=12, shape=(3, 4), strides=(1, 3)),
            e=tensor(count=12, shape=(5, 2), strides=(0, 1), offset=3),
            s=tensor(count=12, shape=(), strides=(), offset=11),
            n=tensor(count=12, shape=(0, 4), strides=(4, 1))), bytes(48)),
        "untyped": packed(table(w=untyped("float16"), v=untyped("float8_e5m2"))),
        "kinds": packed(table(**{kind.lower(): tensor(kind=kind, count=8 // size, key=str(size))
                                 for kind, size in [("DoubleStorage", 1), ("LongStorage", 2)]})),
        "foreign": packed(table(w=call("posix", "system", text("true")))),
        "legacy": legacy(table(w=tensor()), ["0"]),
        "legacy_big_endian": legacy(table(w=tensor()), ["0"], b"\x89"),
        "legacy_untyped": legacy(table(w=tensor(), u=tensor(key="1")), ["0", "1"]),
        "zip": archive({"a/data.pkl": whole(table(w=tensor())), "a/byteorder": b"little",
                        "a/data/0": DATA, "a/version": b"3\n"}),
        "zip_big_endian": archive({"a/data.pkl": whole(b"}"), "a/byteorder": b"big"}),
        "script": archive({"a/data.pkl": whole(b"}"), "a/constants.pkl": b""}),
        "newer": archive({"a/data.pkl": whole(b"}"), "a/version": b"11\n"}),
        "twice": packed(b"}(" + (text("w") + tensor()) * 2 + b"u"),
        "odd_key": packed(b"}(" + integer(1) + tensor() + b"u"),
        "other_entries": packed(table(model=table(epoch=integer(1)))),
        "deep": packed(table(model=table(model=table(model=table(model=table(w=tensor())))))),
        "negative": packed(table(w=tensor(strides=(-1,)))),
        "too_far": packed(table(w=tensor(shape=(3,), strides=(2**62,)))),
        "too_large": packed(table(w=tensor(shape=(2**40, 2**40), strides=(0, 0)))),
        "expansion": packed(table(w=tensor(shape=(2**30,), strides=(0,)))),
        "ranks": packed(table(w=tensor(strides=(1, 1)))),
        "both_sets": safetensors("model.w", "ema.w"),
        "one_set": safetensors("module.w", "module.v"),
        "page": b"<html></html>",
        "tar": bytes(257) + b"ustar" + bytes(250),
        "empty": b"",
    }
    for key, data in seeds.items():
        write("weights", key, data)


def headers():
    """Safetensors headers with one thing wrong each; the other seeds of that folder are older."""
    tensor_of = '{"w":{"dtype":"U8","shape":[%s],"data_offsets":[0,0]%s}}'
    ours = '{"__metadata__":{"format":"visionmamba-checkpoint-1"%s}}'
    seeds = {
        "negative": tensor_of % ("-1", ""),
        "null": tensor_of % ("null", ""),
        "truth": tensor_of % ("true", ""),
        "beyond_int64": tensor_of % (str(2**63), ""),
        "odd_field": tensor_of % ("0", ',"shape ":[]'),
        "unsealed": ours % "",
        "wrong_seal": ours % (',"header_checksum":"' + "0" * 16 + '"'),
        "short_seal": ours % ',"header_checksum":"',
    }
    for key, header in seeds.items():
        write("safetensors", f"{key}.safetensors", struct.pack("<Q", len(header)) + header.encode())


def packed_tar(names, form=tarfile.USTAR_FORMAT, links=(), extra=None):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as tar:
        for key in names:
            info = tarfile.TarInfo(key)
            data = names[key] if isinstance(names, dict) else b"image"
            info.size = len(data)
            info.pax_headers = extra or {}
            tar.addfile(info, io.BytesIO(data))
        for key in links:
            info = tarfile.TarInfo(key)
            info.type, info.linkname = tarfile.SYMTYPE, "a/1.jpg"
            tar.addfile(info)
    data = out.getvalue().rstrip(b"\0")  # a shorter end, since mutations there are lost
    return data + bytes(-len(data) % 512 + 1024)


def tars():
    """Tar files of every format; the target makes checksums right again."""
    two = ("a/1.jpg", "b/2.png")
    long = ("a/" + "n" * 300 + ".jpg", "b/" + "d" * 120 + "/1.jpg")
    inner = packed_tar(("1.JPEG", "x/2.JPEG"))
    seeds = {
        "plain": packed_tar(two, links=("a/3.jpg",)),
        "dots": packed_tar(("./a//1.jpg", "./b/._2.jpg", "./b/2.jpg", "./notes.txt")),
        "gnu": packed_tar(long, tarfile.GNU_FORMAT),
        "pax": packed_tar(long, tarfile.PAX_FORMAT),
        "size": packed_tar(two, tarfile.PAX_FORMAT, extra={"size": "5", "comment": "x"}),
        "sparse": packed_tar(two, tarfile.PAX_FORMAT, extra={"GNU.sparse.major": "1"}),
        "nested": packed_tar({"n1.tar": inner, "n2.tar": inner}),
        "parts": packed_tar(("s/train/1.jpg", "s/val/1.jpg")),
        "flat": packed_tar(("s/1.jpg", "s/2.jpg")),
        "twice": packed_tar(("a/1.jpg", "a/1.jpg", "b/1.jpg")),
        "nothing": packed_tar(()),
        "compressed": b"\x1f\x8b" + bytes(600),
    }
    for key, data in seeds.items():
        write("tar", key + ".tar", data)


pickles()
archives()
tars()
headers()
weight_files()
