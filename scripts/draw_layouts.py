#!/usr/bin/env python3
"""Draws docs/images/layouts.svg: the padded, packed and ragged layouts of the same three patients.

    scripts/draw_layouts.py            writes the file
    scripts/draw_layouts.py --check    compares it with the committed one

The card has its own background, so text is readable on a light page and on a dark one; where the viewer prefers dark, so
is the card.
"""

from drawings import main

LENGTHS = [2, 1, 3]  # visits of each patient; docs/layouts.md works the same example out
CELL, GAP = 46, 6  # a visit, and between visits
WIDTH, MARGIN, LEFT = 830, 24, 138  # LEFT: where the cells of the two lines begin
LETTER = 0.62  # width of a monospace letter, as a share of the font size, or a little more

LIGHT = {"card": "#ffffff", "edge": "#d0d7de", "text": "#1f2328", "note": "#59636e", "empty": "#eaeef2", "line": "#8c959f",
         "p0": "#bcd8f7", "p1": "#fbd9a6", "p2": "#b9e3c3"}
DARK = {"card": "#161b22", "edge": "#3d444d", "text": "#f0f6fc", "note": "#9198a1", "empty": "#262c36", "line": "#656c76",
        "p0": "#1f4b7a", "p1": "#7a4f14", "p2": "#1f5c35"}


def style(palette):
    fills = "".join(f".{name}{{fill:{color}}}" for name, color in palette.items() if name not in ("edge", "line"))
    return fills + f".card{{stroke:{palette['edge']}}}.line{{fill:none;stroke:{palette['line']}}}"


class Drawing:
    def __init__(self):
        self.shapes = []

    def text(self, x, y, words, kind="text", size=13, anchor="start", room=None, weight=400):
        """room: the width it must fit into; wider text is an error."""
        wide = len(words) * LETTER * size
        left = {"start": x, "middle": x - wide / 2, "end": x - wide}[anchor]
        assert left >= MARGIN - 1 and left + wide <= WIDTH - MARGIN + 1, f"{words!r} leaves the card"
        assert room is None or wide <= room, f"{words!r} is wider than its box"
        self.shapes.append(f'<text x="{x:g}" y="{y:g}" class="{kind}" font-size="{size}" text-anchor="{anchor}" '
                           f'font-weight="{weight}">{words}</text>')

    def cell(self, x, y, patient=None, visit=None):
        kind = "empty" if patient is None else f"p{patient}"
        self.shapes.append(f'<rect x="{x:g}" y="{y:g}" width="{CELL}" height="{CELL}" rx="5" class="{kind}"/>')
        if patient is None:
            self.text(x + CELL / 2, y + CELL / 2 + 5, "pad", "note", 12, "middle", CELL)
        else:
            self.text(x + CELL / 2, y + CELL / 2 + 5, f"{'ABC'[patient]}{visit}", "text", 14, "middle", CELL, 600)

    def bracket(self, x, y, cells, words):
        """Under so many cells."""
        right = x + cells * (CELL + GAP) - GAP
        self.shapes.append(f'<path d="M{x + 2:g} {y:g}v5H{right - 2:g}v-5" class="line"/>')
        self.text((x + right) / 2, y + 19, words, "note", 12, "middle", right - x + GAP)

    def rows(self, y, groups):
        """Rows one after the other, numbered; each group has its bracket."""
        drawn = 0
        self.text(LEFT - 14, y - 6, "row", "note", 12, "end", LEFT - 14 - MARGIN)
        for words, cells in groups:
            self.bracket(column(drawn), y + CELL + 6, len(cells), words)
            for patient, visit in cells:
                self.text(column(drawn) + CELL / 2, y - 6, str(drawn), "note", 12, "middle", CELL)
                self.cell(column(drawn), y, patient, visit)
                drawn += 1

    def title(self, y, words, count):
        self.text(MARGIN, y, words, size=16, weight=600)
        self.text(WIDTH - MARGIN, y, count, "note", 13, "end")


def column(i):
    return LEFT + i * (CELL + GAP)


def mask_row(length):
    return "[" + ", ".join("1" if t < length else "0" for t in range(max(LENGTHS))) + "]"


def draw():
    drawing = Drawing()
    steps, rows = max(LENGTHS), sum(LENGTHS)
    order = sorted(range(len(LENGTHS)), key=lambda b: -LENGTHS[b])
    sizes = [sum(length > t for length in LENGTHS) for t in range(steps)]
    offsets = [sum(LENGTHS[:b]) for b in range(len(LENGTHS) + 1)]

    y = 42
    drawing.title(y, "padded [B, T]", f"{len(LENGTHS) * steps} slots, {rows} of them real")
    y += 18
    for b, length in enumerate(LENGTHS):
        drawing.text(LEFT - 14, y + CELL / 2 + 5, f"patient {'ABC'[b]}", "note", 13, "end", LEFT - 14 - MARGIN)
        for t in range(steps):
            drawing.cell(column(t), y, b if t < length else None, t)
        y += CELL + GAP
    x = column(rows) + 34
    for line, words in enumerate(["sequence_mask [B, T]", *map(mask_row, LENGTHS)]):
        drawing.text(x, y - len(LENGTHS) * (CELL + GAP) + 18 + 22 * line, words)

    y += 46
    drawing.title(y, "packed [N]", f"{rows} rows: step by step, longest patient first")
    y += 34
    drawing.rows(y, [(f"t={t}", [(b, t) for b in order[:size]]) for t, size in enumerate(sizes)])
    drawing.text(x, y + 18, f"order = {order}")
    drawing.text(x, y + 40, f"batch_sizes = {sizes}")

    y += CELL + 72
    drawing.title(y, "ragged [N]", f"{rows} rows: patient by patient")
    y += 34
    drawing.rows(y, [(f"b={b}", [(b, t) for t in range(length)]) for b, length in enumerate(LENGTHS)])
    drawing.text(x, y + 18, f"visit_offsets = {offsets}")
    drawing.text(x, y + 40, "row = visit_offsets[b] + t")

    height = y + CELL + 50
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        'font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, \'DejaVu Sans Mono\', monospace" role="img">',
        "<title>Padded, packed and ragged layouts of three patients with "
        + f"{LENGTHS[0]}, {LENGTHS[1]} and {LENGTHS[2]} visits</title>",
        f"<style>{style(LIGHT)}@media(prefers-color-scheme:dark){{{style(DARK)}}}</style>",
        f'<rect x="0.5" y="0.5" width="{WIDTH - 1}" height="{height - 1}" rx="10" class="card"/>',
        *drawing.shapes, "</svg>", ""])


if __name__ == "__main__":
    main(__doc__, {"layouts.svg": draw})
