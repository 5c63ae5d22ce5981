#!/usr/bin/env python3
"""Draws docs/images/prediction-time.svg: which predictions of two patients are used, and what their labels are.

    scripts/draw_prediction_time.py            writes the file
    scripts/draw_prediction_time.py --check    compares it with the committed one

Used or not, and the labels, are worked out here from the days below by the rule of docs/training.md.
"""

from drawings import main

HORIZON, OBSERVED_UNTIL = 365, 800  # days; no gap
PATIENTS = [("Patient A gets X on day 420", [0, 150, 300, 500], 420), ("Patient B never gets X", [100, 380, 600], None)]
WIDTH, MARGIN, LEFT = 830, 24, 100  # LEFT: x of day 0
SCALE = 0.44  # pixels per day
ROW = 30

LIGHT = {"card": "#ffffff", "edge": "#d0d7de", "text": "#1f2328", "note": "#59636e", "axis": "#8c959f", "seen": "#0969da",
         "one": "#fbd9a6", "zero": "#b9e3c3", "out": "#eaeef2", "event": "#cf222e"}
DARK = {"card": "#161b22", "edge": "#3d444d", "text": "#f0f6fc", "note": "#9198a1", "axis": "#656c76", "seen": "#4493f8",
        "one": "#7a4f14", "zero": "#1f5c35", "out": "#262c36", "event": "#f85149"}


def style(palette):
    fills = "".join(f".{name}{{fill:{color}}}" for name, color in palette.items() if name not in ("edge", "axis"))
    return fills + f".card{{stroke:{palette['edge']}}}.axis{{fill:none;stroke:{palette['axis']}}}"


def day_x(day):
    return LEFT + SCALE * day


def verdict(time, code):
    """(class of the window, words) of a prediction at this day."""
    if code is not None and code <= time:
        return "out", "X by then: left out"
    if time + HORIZON > OBSERVED_UNTIL:
        return "out", "not observed to the end: left out"
    positive = code is not None and time < code <= time + HORIZON
    return ("one", "label 1") if positive else ("zero", "label 0")


class Drawing:
    def __init__(self):
        self.shapes = []

    def text(self, x, y, words, kind="text", size=13, anchor="start", weight=400):
        self.shapes.append(f'<text x="{x:g}" y="{y:g}" class="{kind}" font-size="{size}" text-anchor="{anchor}" '
                           f'font-weight="{weight}">{words}</text>')

    def dot(self, x, y, kind, radius=5):
        self.shapes.append(f'<circle cx="{x:g}" cy="{y:g}" r="{radius}" class="{kind}"/>')

    def line(self, path):
        self.shapes.append(f'<path d="{path}" class="axis"/>')

    def box(self, x, y, width, height, kind):
        self.shapes.append(f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="4" class="{kind}"/>')


def draw():
    drawing = Drawing()
    y = 40
    drawing.text(MARGIN, y, f"--predict-at visits --horizon-days {HORIZON}", size=15, weight=600)
    drawing.text(WIDTH - MARGIN, y, "dots: visits that are input; bars: windows (t, t + D]", "note", 12, "end")
    top = y + 20
    for title, visits, code in PATIENTS:
        y += 44
        drawing.text(MARGIN, y, title, size=14, weight=600)
        y += 12
        for row, time in enumerate(visits):
            y += ROW
            kind, words = verdict(time, code)
            drawing.text(MARGIN, y + 4, f"t = {time}", "note")
            drawing.line(f"M{day_x(0):g} {y:g}H{day_x(OBSERVED_UNTIL):g}")
            drawing.box(day_x(time) + 7, y - 9, SCALE * HORIZON - 7, 18, kind)
            for seen in visits[: row + 1]:
                drawing.dot(day_x(seen), y, "seen")
            if code is not None:
                drawing.text(day_x(code), y + 5, "X", "event", 15, "middle", 700)
            drawing.text(max(day_x(time + HORIZON), day_x(OBSERVED_UNTIL)) + 10, y + 4, words)
    bottom = y + 22
    x = day_x(OBSERVED_UNTIL)
    drawing.shapes.append(f'<path d="M{x:g} {top:g}V{bottom:g}" class="axis" stroke-dasharray="4 3"/>')
    drawing.text(x, bottom + 16, f"end of observation, day {OBSERVED_UNTIL}", "note", 12, "middle")
    height = bottom + 34
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        'font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, \'DejaVu Sans Mono\', monospace" role="img">',
        "<title>Predictions at the visits of two patients: used or left out, and their labels</title>",
        f"<style>{style(LIGHT)}@media(prefers-color-scheme:dark){{{style(DARK)}}}</style>",
        f'<rect x="0.5" y="0.5" width="{WIDTH - 1}" height="{height - 1}" rx="10" class="card"/>',
        *drawing.shapes, "</svg>", ""])


if __name__ == "__main__":
    main(__doc__, {"prediction-time.svg": draw})
