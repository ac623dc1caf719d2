"""Copies a CUDA library without the device code of all GPU architectures but the named ones.

    keep_arch.py IN.so OUT.so [90 [80 ...]]        without any, it is copied as it is

Only payloads are zeroed, so the library keeps its size and every offset: it loads as before, and compresses to a
fraction. The CUDA driver picks the entry that fits the GPU; on a GPU without one, a kernel's launch fails with
`no kernel image is available`.
"""

import collections
import struct
import sys

# A container of device code (fatbin): u32 magic, u16 version, u16 header's size, u64 size of all its entries.
MAGIC = struct.pack("<I", 0xBA55ED50)
VERSION, HEADER_SIZE = 1, 16
# An entry: u16 kind, u16 version, u32 header's size, u64 payload's size, ..., u32 architecture at offset 28.
PTX, MACHINE_CODE = 1, 2
ARCHITECTURE_AT, SMALLEST_ENTRY_HEADER = 28, 64


def keep(data, architectures):
    """Blanks in place. Gives the bytes of device code kept and blanked, by architecture."""
    kept, blanked = collections.Counter(), collections.Counter()
    for start, end in containers(data):
        for architecture, kind, first, size in entries(data, start, end):
            # PTX, which a driver could compile for any GPU, goes too: that takes minutes at a worker's start.
            if kind == MACHINE_CODE and architecture in architectures:
                kept[architecture] += size
            else:
                data[first : first + size] = bytes(size)
                blanked[architecture] += size
    return kept, blanked


def containers(data):
    at = 0
    while (at := data.find(MAGIC, at)) >= 0:
        version, header, size = struct.unpack_from("<HHQ", data, at + 4)
        end = at + header + size
        if (version, header) == (VERSION, HEADER_SIZE) and end <= len(data):
            yield at + header, end
            at = end
        else:
            at += len(MAGIC)  # The same four bytes by chance.


def entries(data, at, end):
    while at + SMALLEST_ENTRY_HEADER <= end:
        kind, _, header, size = struct.unpack_from("<HHIQ", data, at)
        (architecture,) = struct.unpack_from("<I", data, at + ARCHITECTURE_AT)
        first = at + header
        if kind not in (PTX, MACHINE_CODE) or header < SMALLEST_ENTRY_HEADER or first + size > end:
            return
        yield architecture, kind, first, size
        at = first + size


def main(source, target, *names):
    with open(source, "rb") as file:
        data = bytearray(file.read())
    if names:
        kept, blanked = keep(data, {int(name) for name in names})
        missing = [name for name in names if int(name) not in kept]
        if missing:
            there = ", ".join(str(architecture) for architecture in sorted(kept | blanked))
            sys.exit(f"{source} has no code for architecture {', '.join(missing)}, only for {there}")
        print(f"kept {dict(kept)} bytes by architecture, blanked {dict(blanked)}")
    with open(target, "wb") as file:
        file.write(data)


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
