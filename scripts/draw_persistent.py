#!/usr/bin/env python3
"""Draws the pictures of docs/persistent-lstm.md:

    docs/images/persistent-slots.svg    one batch padded, packed, in slots, and in slots refilled from a queue
    docs/images/persistent-step.svg     what the blocks of a cluster do in a step, forward and backward

    scripts/draw_persistent.py            writes the files
    scripts/draw_persistent.py --check    compares them with the committed ones

The schedule of the slots is simulated by the rules of cuda/lstm/persistent/schedule.cuh. Cards and colors are as in draw_layouts.py.
"""

import draw_layouts
from draw_layouts import LETTER, MARGIN, WIDTH
from drawings import main

LENGTHS = [5, 8, 3, 6, 24, 4, 9, 7, 3, 6, 8, 5]  # of the sequences A, B, C ...: one long among short ones
CLUSTERS, SLOTS = 2, 2  # SLOTS: of each cluster
RESERVE = 4  # LstmScheduleTuning::reserve: a slot asks for its next sequence when this one has fewer visits left
BLOCKS = 4  # of the cluster in the picture of a step

LIGHT = draw_layouts.LIGHT | {"empty": "#dde2e8", "p3": "#e0cffa", "p4": "#f8cbe0", "p5": "#b5e4e4", "p6": "#e6e29a",
                              "block": "#f6f8fa", "s0": "#0969da", "s1": "#bc4c00", "s2": "#1a7f37", "s3": "#8250df"}
DARK = draw_layouts.DARK | {"empty": "#313943", "p3": "#4d3380", "p4": "#75284f", "p5": "#14565a", "p6": "#5c5716",
                            "block": "#1c222b", "s0": "#4493f8", "s1": "#f0883e", "s2": "#3fb950", "s3": "#ab7df8"}


def style(palette):
    filled = [name for name in palette if name not in ("edge", "line") and name[0] != "s"]
    return ("".join(f".{name}{{fill:{palette[name]}}}" for name in filled)
            + "".join(f".s{r}{{fill:none;stroke:{palette[f's{r}']};stroke-width:1.4}}.a{r}{{fill:{palette[f's{r}']}}}"
                      for r in range(BLOCKS))
            + f".card,.block{{stroke:{palette['edge']}}}.line{{fill:none;stroke:{palette['line']}}}"
            + f".tip{{fill:{palette['line']}}}")


class Card(draw_layouts.Drawing):
    """No two texts may overlap."""

    def __init__(self):
        super().__init__()
        self.taken = []

    def text(self, x, y, words, kind="text", size=13, anchor="start", room=None, weight=400):
        super().text(x, y, words, kind, size, anchor, room, weight)
        wide = len(words) * LETTER * size
        left = {"start": x, "middle": x - wide / 2, "end": x - wide}[anchor]
        box = (left, y - 0.75 * size, left + wide, y + 0.2 * size)
        for other, said in self.taken:
            assert box[2] <= other[0] or other[2] <= box[0] or box[3] <= other[1] or other[3] <= box[1], \
                f"{words!r} and {said!r} overlap"
        self.taken.append((box, words))

    def box(self, x, y, wide, high, kind, radius=3):
        self.shapes.append(f'<rect x="{x:g}" y="{y:g}" width="{wide:g}" height="{high:g}" rx="{radius}" class="{kind}"/>')

    def path(self, d, kind="line"):
        self.shapes.append(f'<path d="{d}" class="{kind}"/>')

    def arrow(self, x, y, to_x, to_y, kind="line", tip="tip"):
        """Its tip points right."""
        self.path(f"M{x:g} {y:g}L{to_x - 5:g} {to_y:g}", kind)
        self.path(f"M{to_x:g} {to_y:g}l-6 -3v6z", tip)

    def svg(self, height, title):
        return "\n".join([
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
            'font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, \'DejaVu Sans Mono\', monospace" role="img">',
            f"<title>{title}</title>",
            f"<style>{style(LIGHT)}@media(prefers-color-scheme:dark){{{style(DARK)}}}</style>",
            f'<rect x="0.5" y="0.5" width="{WIDTH - 1}" height="{height - 1}" rx="10" class="card"/>',
            *self.shapes, "</svg>", ""])


# ---- one batch in time

def longest_first():
    return sorted(range(len(LENGTHS)), key=lambda b: -LENGTHS[b])


def refilled():
    """What each slot of each cluster runs, as (first step, sequence): the SlotOwners, step by step."""
    order = longest_first()
    slots = [(cluster, slot) for cluster in range(CLUSTERS) for slot in range(SLOTS)]
    following = {(cluster, slot): slot * CLUSTERS + cluster for cluster, slot in slots}  # places in the order
    taken, left, step = len(slots), dict.fromkeys(slots, 0), 0
    runs = {slot: [] for slot in slots}
    while True:
        for slot in slots:
            if left[slot] == 0 and following[slot] is not None and following[slot] < len(order):
                b = order[following[slot]]
                runs[slot].append((step, b))
                left[slot], following[slot] = LENGTHS[b], None
        if not any(left.values()):
            return runs
        for slot in slots:
            if left[slot] > 0:
                left[slot] -= 1
                if left[slot] < RESERVE and following[slot] is None:
                    following[slot] = taken
                    taken += 1
        step += 1


def in_waves():
    """The same without refill: all slots begin together, and again when the last of them is through."""
    order, step = longest_first(), 0
    runs = {(cluster, slot): [] for cluster in range(CLUSTERS) for slot in range(SLOTS)}
    for first in range(0, len(order), len(runs)):
        wave = order[first:first + len(runs)]
        for place, b in enumerate(wave):
            runs[place % CLUSTERS, place // CLUSTERS].append((step, b))
        step += max(LENGTHS[b] for b in wave)
    return runs


def ends(runs):
    return max(start + LENGTHS[b] for slot in runs.values() for start, b in slot)


STEP, ROW, BAR, TIME = 13, 15, 13, 158  # widths of a step, heights of a row with and without its gap; TIME: x of step 0


def color(b):
    """The longest has a color to itself."""
    place = longest_first().index(b)
    return "p0" if place == 0 else f"p{1 + (place - 1) % 6}"


def letter(b):
    return chr(ord("A") + b)


class Batch(Card):
    def bar(self, y, start, steps, kind):
        self.box(TIME + start * STEP + 1, y, steps * STEP - 2, BAR, kind)

    def cells(self, y, first, last, kind):
        for step in range(first, last):
            self.bar(y, step, 1, kind)

    def label(self, y, words):
        self.text(TIME - 10, y + 11, words, "note", 12, "end")

    def title(self, y, words):
        self.text(MARGIN, y, words, size=16, weight=600)

    def named(self, y, start, steps, b):
        self.bar(y, start, steps, color(b))
        self.text(TIME + (start + steps / 2) * STEP, y + 11, letter(b), "text", 11, "middle", steps * STEP, 600)

    def counts(self, y, steps, *notes):
        """Beside a panel: what it takes."""
        x = TIME + STEP * ends(in_waves()) + 20
        self.text(x, y + 13, f"{steps} steps", size=16, weight=600, room=WIDTH - MARGIN - x)
        for i, words in enumerate(notes):
            self.text(x, y + 32 + 16 * i, words, "note", 12, room=WIDTH - MARGIN - x)

    def slots(self, y, runs):
        """Returns the y below."""
        for (cluster, slot), run in runs.items():
            if slot == 0:
                self.text(MARGIN, y + ROW * SLOTS / 2 + 3, f"cluster {cluster}", "note", 12)
            self.label(y, f"slot {slot}")
            now = 0
            for start, b in run:
                self.cells(y, now, start, "empty")
                self.named(y, start, LENGTHS[b], b)
                now = start + LENGTHS[b]
            self.cells(y, now, ends(runs), "empty")
            y += ROW + (6 if slot == SLOTS - 1 else 0)
        return y


def draw_slots():
    card = Batch()
    order, longest, slots = longest_first(), max(LENGTHS), CLUSTERS * SLOTS
    panel = 16 + len(LENGTHS) * ROW + 36

    def spare(width, steps):
        return f"{width * steps - sum(LENGTHS)} of {width * steps} cells"

    y = 38
    card.title(y, "padded [B, T]")
    card.counts(y + 16, longest, f"of {len(LENGTHS)} rows", spare(len(LENGTHS), longest), "are padding")
    for row, length in enumerate(LENGTHS):
        at = y + 16 + row * ROW
        card.label(at, letter(row))
        card.bar(at, 0, length, color(row))
        card.cells(at, length, longest, "empty")

    y += panel
    card.title(y, "packed, step by step")
    alone = longest - LENGTHS[order[1]]
    card.counts(y + 16, longest, "each launched anew,", "each waits for all,", f"{alone} run {letter(order[0])} alone")
    for row, b in enumerate(order):
        at = y + 16 + row * ROW
        card.label(at, letter(b))
        card.cells(at, 0, LENGTHS[b], color(b))
    for step in range(longest + 1):
        card.path(f"M{TIME + step * STEP:g} {y + 11:g}v{len(LENGTHS) * ROW + 8:g}")

    y += panel + 2
    card.title(y, f"one launch, {slots} slots, not refilled")
    waves = in_waves()
    card.counts(y + 14, ends(waves), f"of {slots} slots", spare(slots, ends(waves)) + " idle", "the others wait")
    y = card.slots(y + 16, waves)

    y += 32
    card.title(y, f"persistent: one launch, {slots} slots, refilled")
    runs = refilled()
    assert ends(runs) == longest
    card.counts(y + 16, ends(runs), f"of {slots} slots", spare(slots, ends(runs)) + " idle", "no way is shorter",
                f"than {letter(order[0])}")
    y += 18
    card.label(y, "queue")
    for place, b in enumerate(order):
        card.named(y, place, 1, b)
    card.text(TIME + (len(order) + 0.7) * STEP, y + 11, "longest first; a free slot takes the next", "note", 12)
    y = card.slots(y + ROW + 9, runs)

    y += 4
    card.path(f"M{TIME:g} {y:g}H{TIME + ends(waves) * STEP:g}")
    for step in range(0, ends(waves) + 1, 6):
        card.path(f"M{TIME + step * STEP:g} {y:g}v5")
        card.text(TIME + step * STEP, y + 19, str(step), "note", 12, "middle")
    card.text(TIME - 10, y + 19, "step", "note", 12, "end")
    return card.svg(int(y + 36), f"{len(LENGTHS)} sequences of {min(LENGTHS)} to {longest} visits: padded, packed, "
                    f"and in {slots} slots without and with refill")


# ---- one step of a cluster

PART, PARTS, BLOCK = 10, 56, 58  # a block's part of a vector is so high and wide; a block's frame so high
STACK = BLOCKS * (PART + 1) - 1  # a vector over all units
LEFT, FRAME = 92, WIDTH - MARGIN  # of the frames


def part(middle, r):
    """y of part r of a vector around this height."""
    return middle - STACK / 2 + r * (PART + 1) + PART / 2


def stack(card, x, middle, kinds):
    """A vector over all units, a part for each block."""
    for r, kind in enumerate(kinds):
        card.box(x, part(middle, r) - PART / 2, PARTS, PART, kind, 2)


def weights(card, x, middle, wide, rank):
    """A block's rows of W_hh: two tiles."""
    high = (STACK - 3) / 2
    for top in (middle - STACK / 2, middle + 1.5):
        card.box(x, top, wide, high, f"p{rank}")


def gates(card, x, y, rank):
    for i, name in enumerate("ifgo"):
        card.box(x + 17 * i, y - 8, 16, 16, f"p{rank}", 2)
        card.text(x + 17 * i + 8, y + 4, name, "text", 11, "middle", 16)


def cell(card, x, y, rank, name):
    card.shapes.append(f'<circle cx="{x:g}" cy="{y:g}" r="13" class="p{rank}"/>')
    card.text(x, y + 4, name, "text", 11, "middle", 26)


def counted(card, x, y):
    """An mbarrier, and what it has counted."""
    card.box(x, y - 9, 62, 18, "card", 9)
    for r in range(BLOCKS):
        card.shapes.append(f'<circle cx="{x + 10 + 14 * r:g}" cy="{y:g}" r="4" class="a{r}"/>')


def headings(card, y, columns):
    for x, name, where, room in columns:
        card.text(x, y, name, "text", 12, "middle", room, 600)
        card.text(x, y + 15, where, "note", 11, "middle", room)


def remarks(card, y, *lines):
    for i, words in enumerate(lines):
        card.text(LEFT, y + 18 * i, words, "note", 12)


def frames(card, y):
    for r in range(BLOCKS):
        card.box(LEFT, y + r * (BLOCK + 8), FRAME - LEFT, BLOCK, "block", 6)
        card.text(LEFT - 10, y + r * (BLOCK + 8) + BLOCK / 2 + 4, f"block {r}", "note", 12, "end", LEFT - 10 - MARGIN)
    return [y + r * (BLOCK + 8) + BLOCK / 2 for r in range(BLOCKS)]


def draw_step():
    card = Card()
    every = [f"p{r}" for r in range(BLOCKS)]
    sent, arrived, counts = 504, 640, 730  # where arrows of st.async start and end; the mbarriers

    y = 38
    card.text(MARGIN, y, "forward, one step", size=16, weight=600)
    card.text(FRAME, y, "color: the block it comes from", "note", 12, "end")
    y += 30
    headings(card, y, [(142, "W_hh", "registers", 90), (235, "h(t-1)", "shared memory", 96),
                       (332, "gates", "+ x gates", 90),
                       (404, "c", "register", 62), (474, "h(t)", "own units", 70),
                       (572, "st.async", "to all blocks", 96), (668, "h(t)", "shared memory", 94),
                       (761, "mbarrier", "counts bytes", 88)])
    middles = frames(card, y + 28)
    for r, middle in enumerate(middles):
        weights(card, 104, middle, 76, r)
        card.text(193, middle + 4, "\u00d7", "note", 14, "middle")
        stack(card, 207, middle, every)
        card.arrow(268, middle, 294, middle)
        gates(card, 298, middle, r)
        card.arrow(369, middle, 388, middle)
        cell(card, 404, middle, r, "c")
        card.arrow(420, middle, 442, middle)
        card.box(446, middle - PART / 2, PARTS, PART, f"p{r}", 2)
        stack(card, arrived, middle, every)
        counted(card, counts, middle)
    for r, middle in enumerate(middles):
        for to in middles:
            card.arrow(sent, middle, arrived - 2, part(to, r), f"s{r}", f"a{r}")
    y = middles[-1] + BLOCK / 2 + 22
    remarks(card, y, "A tile of W_hh is the 4 gates of 4 units: a cell has all its gates in its own block.",
            "A block waits for its own mbarrier and nothing else; the two buffers of h take turns.")

    y += 66
    card.text(MARGIN, y, "backward, one step", size=16, weight=600)
    y += 30
    headings(card, y, [(130, "4 parts", "of dh(t)", 60), (194, "dh(t)", "+ dy", 60), (254, "dc", "register", 62),
                       (328, "dgates", "shared", 72), (404, "W_hh", "registers", 70), (474, "parts", "of dh(t-1)", 70),
                       (572, "st.async", "to the owner", 96), (668, "4 parts", "shared memory", 94),
                       (761, "mbarrier", "counts bytes", 88)])
    middles = frames(card, y + 28)
    for r, middle in enumerate(middles):
        stack(card, 102, middle, every)
        card.arrow(162, middle, 178, middle)
        cell(card, 194, middle, r, "+")
        card.arrow(210, middle, 236, middle)
        cell(card, 252, middle, r, "dc")
        card.arrow(268, middle, 288, middle)
        gates(card, 292, middle, r)
        card.text(368, middle + 4, "\u00d7", "note", 14, "middle")
        weights(card, 379, middle, 49, r)
        card.arrow(430, middle, 444, middle)
        stack(card, 446, middle, [f"p{r}"] * BLOCKS)
        stack(card, arrived, middle, every)
        counted(card, counts, middle)
    for r, middle in enumerate(middles):
        for owner, to in enumerate(middles):
            card.arrow(sent, part(middle, owner), arrived - 2, part(to, r), f"s{r}", f"a{r}")
    y = middles[-1] + BLOCK / 2 + 22
    remarks(card, y, "A block's own dgates times its own rows of W_hh: a part of dh for every unit.",
            "Owners add parts in order of rank, whoever came first: the bits are always the same.")
    return card.svg(int(y + 40), f"One step of a cluster of {BLOCKS} blocks, forward and backward")


PICTURES = {"persistent-slots.svg": draw_slots, "persistent-step.svg": draw_step}


if __name__ == "__main__":
    main(__doc__, PICTURES)
