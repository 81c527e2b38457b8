"""embed.py INPUT OUTPUT: writes a file's bytes as the C array `embedded`.

The array ends with a zero byte that `embedded_size_bytes` does not count:
QuickJS wants its source text so.
"""

import sys


def main(input_path, output_path):
    with open(input_path, "rb") as source:
        data = source.read()
    padded = data + b"\0"
    rows = (padded[at : at + 20] for at in range(0, len(padded), 20))
    with open(output_path, "w", newline="\n", encoding="ascii") as out:
        out.write("static const unsigned char embedded[] = {\n")
        for row in rows:
            out.write("    " + ",".join(map(str, row)) + ",\n")
        out.write("};\n")
        out.write(f"static const unsigned long embedded_size_bytes = {len(data)};\n")


main(*sys.argv[1:])
