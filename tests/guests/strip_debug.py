"""strip_debug.py INPUT OUTPUT: leaves out a module's DWARF and keeps its names.

The linker behind zig can only leave out both.
"""

import sys


def leb128(data, at):
    """The number at a position, and where it ends."""
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def main(input_path, output_path):
    with open(input_path, "rb") as source:
        data = source.read()
    kept, at = [data[:8]], 8
    while at < len(data):
        begin = at
        size, body = leb128(data, at + 1)
        at = body + size
        length, name = leb128(data, body)
        is_custom = data[begin] == 0
        if not (is_custom and data[name : name + length].startswith(b".debug_")):
            kept.append(data[begin:at])
    with open(output_path, "wb") as out:
        out.write(b"".join(kept))


main(*sys.argv[1:])
