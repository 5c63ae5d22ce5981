#!/usr/bin/env python3
"""scripts/compare_results.py and scripts/plot_results.py on files made up here: what they print and draw, what they refuse,
and that a picture is XML with nothing outside of its card and no two texts over each other."""

import json
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest
from xml.etree import ElementTree

SCRIPTS = pathlib.Path(__file__).resolve().parent.parent / "scripts"
SVG = "{http://www.w3.org/2000/svg}"
LETTER = 0.62  # width of a letter, as a share of the font size, or a little more


def row(algorithm, ms, workload="skew", size="small", **other):
    return {"operation": "lstm", "workload": workload, "size": size, "dtype": "bf16", "algorithm": algorithm,
            "pass": "forward_backward", "launch": "stream", "device": "A made-up device", "ms": ms, "ms_min": ms * 0.98,
            "ms_max": ms * 1.02, **other}


def refused(algorithm, workload="skew"):
    without = row(algorithm, 0, workload)
    for key in ("ms", "ms_min", "ms_max"):
        del without[key]
    return {**without, "supported": False, "reason": "cuDNN says <no> & \"never\""}


class Folder(unittest.TestCase):
    def setUp(self):
        self.temporary = tempfile.TemporaryDirectory()
        self.addCleanup(self.temporary.cleanup)
        self.folder = pathlib.Path(self.temporary.name)

    def write(self, name, rows):
        file = self.folder / name
        file.write_text("".join(json.dumps(one) + "\n" for one in rows))
        return str(file)

    def run_script(self, name, *arguments, status=0):
        done = subprocess.run([sys.executable, SCRIPTS / name, *arguments], capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done.stdout + done.stderr


class Compare(Folder):
    def test_ratio_of_each_case_and_their_mean(self):
        a = self.write("a", [row("stepwise", 8.0), row("stepwise", 9.0, "mimic"), row("other", 1.0)])
        b = self.write("b", [row("stepwise", 2.0), row("stepwise", 9.1, "mimic"), row("third", 1.0)])
        out = self.run_script("compare_results.py", a, b)
        self.assertRegex(out, r"skew/small/bf16/stepwise\S+ +8 ms +2 ms +4\.000x\n")
        self.assertRegex(out, r"mimic/\S+ +9 ms +9\.1 ms +0\.989x +within the spread")
        self.assertRegex(out, r"other\S+ +not in B")
        self.assertRegex(out, r"third\S+ +not in A")
        self.assertIn("2 cases, geometric mean 1.989x", out)

    def test_one_algorithm_against_another(self):
        file = self.write("a", [row("cudnn_standard_packed", 6.0), row("stepwise", 1.5)])
        out = self.run_script("compare_results.py", file, file, "--algorithms", "cudnn_standard_packed", "stepwise")
        self.assertIn("4.000x", out)

    def test_what_has_no_time_says_why(self):
        a, b = self.write("a", [row("x", 1.0), refused("y")]), self.write("b", [row("x", 1.0), row("y", 1.0)])
        self.assertIn("no time: A: cuDNN says", self.run_script("compare_results.py", a, b))

    def test_a_bound_that_is_missed(self):
        a, b = self.write("a", [row("x", 1.0)]), self.write("b", [row("x", 1.25)])
        self.assertIn("TOO SLOW", self.run_script("compare_results.py", a, b, "--least", "0.9", status=1))
        self.assertNotIn("TOO SLOW", self.run_script("compare_results.py", a, b, "--least", "0.7"))

    def test_refuses_other_devices_broken_lines_and_nothing(self):
        a, b = self.write("a", [row("x", 1.0)]), self.write("b", [row("x", 1.0, device="Another")])
        self.assertIn("different devices", self.run_script("compare_results.py", a, b, status=1))
        broken = self.folder / "c"
        broken.write_text('{"operation": "lstm"}\n')
        self.assertIn("c:1: the row has no workload", self.run_script("compare_results.py", a, str(broken), status=1))
        broken.write_text("{\n")
        self.assertIn("c:1: ", self.run_script("compare_results.py", a, str(broken), status=1))
        self.assertIn("no case has a time", self.run_script("compare_results.py", a, a, "--filter", "nothing", status=1))


def made_up():
    """Rows of every workload and size, ratios from 1/3 to 250."""
    rows = []
    cases = [(workload, size) for workload in ("large", "mimic", "synthea", "claims", "skew")
             for size in ("large", "medium", "small")] + [("flashrnn", "h768"), ("rollout", "h256")]
    for i, (workload, size) in enumerate(cases):
        def of(algorithm, ms, **other):
            return row(algorithm, ms, workload, size, **other)

        floor = {"share_of_floor": 0.1 + 0.05 * i}
        rows += [of("stepwise", 2.0, **floor), of("stepwise", 1.0, launch="graph", **floor), of("cudnn_standard_packed", 12.5),
                 of("cudnn_persist_static_padded", 5.0), of("cudnn_persist_dynamic_padded_full", 1 / 3 if i == 2 else 3.0),
                 of("torch_packed", 250.0 if i == 0 else 40.0), of("torch_padded", 7.0)]
        rows.append(of("mean", 0.1, operation="segment_pool", **{"pass": "forward"}, share_of_floor=0.9))
        for algorithm, ms in (("next_visit", 1.0), ("torch_eager_next_visit", 11.0), ("torch_compile_next_visit", 4.0)):
            rows.append(of(algorithm, ms, operation="train_step", **{"pass": "train_step"}))
    return rows


class Plot(Folder):
    def draw(self, rows):
        out = self.folder / "pictures"
        self.run_script("plot_results.py", self.write("a", rows), "--out", str(out))
        return {file.name: ElementTree.parse(file).getroot() for file in out.iterdir()}

    def texts(self, picture):
        return [text.text for text in picture.iter(SVG + "text")]

    def test_the_pictures_and_the_numbers_in_them(self):
        pictures = self.draw(made_up())
        self.assertEqual(set(pictures), {"lstm-speed-bf16.svg", "floor-bf16.svg", "train-speed-next_visit.svg"})
        speed = self.texts(pictures["lstm-speed-bf16.svg"])
        self.assertEqual(speed.count("12.5x"), 17)  # packed; ragtime's quicker launch counts
        self.assertEqual(speed.count("3.00x"), 16)  # the best padded
        self.assertEqual(speed.count("0.33x"), 1)
        self.assertEqual(speed.count("250x"), 1)
        self.assertEqual(speed.count("7.00x"), 17)
        names = [words for words in speed if re.match("(mimic|large|rollout)", words)]
        self.assertEqual(names, ["mimic small", "mimic medium", "mimic large", "large small", "large medium", "large large",
                                 "rollout h256"])
        self.assertEqual(self.texts(pictures["train-speed-next_visit.svg"]).count("11.0x"), 17)
        floor = self.texts(pictures["floor-bf16.svg"])
        self.assertEqual(floor.count("90 %"), 17 + 1)  # pooling everywhere, and the LSTM of the last
        self.assertIn("10 %", floor)

    def test_bars_begin_at_one_and_are_as_long_as_their_ratio(self):
        picture = self.draw([row("stepwise", 1.0), row("cudnn_standard_packed", 4.0), row("torch_packed", 16.0),
                             row("torch_padded", 0.5)])["lstm-speed-bf16.svg"]
        bars = [bar for bar in picture.iter(SVG + "rect") if bar.get("height") == "11"]
        start, wide = ([float(bar.get(key)) for bar in bars] for key in ("x", "width"))
        self.assertEqual(len(bars), 3)
        self.assertAlmostEqual(start[0], start[1], delta=0.11)
        self.assertAlmostEqual(wide[1], 2 * wide[0], delta=0.3)  # log 16 = 2 log 4
        self.assertAlmostEqual(wide[2], wide[0] / 2, delta=0.3)
        self.assertAlmostEqual(start[2] + wide[2], start[0], delta=0.21)

    def test_what_was_not_measured_is_not_drawn(self):
        rows = [row("stepwise", 1.0), refused("cudnn_standard_packed"), row("torch_packed", 2.0),
                row("torch_packed", 2.0, "mimic")]
        texts = self.texts(self.draw(rows)["lstm-speed-bf16.svg"])
        self.assertIn("PyTorch packed", texts)
        self.assertNotIn("cuDNN packed (STANDARD)", texts)
        self.assertNotIn("mimic small", texts)

    def test_nothing_is_outside_or_covered(self):
        for name, picture in self.draw(made_up()).items():
            width, height = (float(picture.get(key)) for key in ("width", "height"))
            boxes = []
            for text in picture.iter(SVG + "text"):
                size, x, y = (float(text.get(key)) for key in ("font-size", "x", "y"))
                wide = len(text.text) * LETTER * size
                left = x - {"start": 0, "middle": wide / 2, "end": wide}[text.get("text-anchor")]
                boxes.append((left, y - 0.75 * size, left + wide, y + 0.1 * size, text.text))
            for bar in picture.iter(SVG + "rect"):
                left, top = float(bar.get("x")), float(bar.get("y"))
                boxes.append((left, top, left + float(bar.get("width")), top + float(bar.get("height")), None))
            for left, top, right, bottom, words in boxes:
                self.assertTrue(0 <= left and 0 <= top and right <= width and bottom <= height, f"{name}: {words} is outside")
            texts = [box for box in boxes if box[4] is not None]
            for i, one in enumerate(texts):
                for other in texts[:i]:
                    self.assertFalse(one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3],
                                     f"{name}: {one[4]!r} covers {other[4]!r}")

    def test_names_are_escaped_and_nothing_is_refused(self):
        picture = self.draw([row("stepwise", 1.0, "a<b&c"), row("torch_packed", 2.0, "a<b&c")])["lstm-speed-bf16.svg"]
        self.assertIn("a<b&c small", self.texts(picture))
        file = self.write("b", [row("stepwise", 1.0)])
        self.assertIn("nothing to draw", self.run_script("plot_results.py", file, "--out", str(self.folder / "o"), status=1))
        two = self.write("c", [row("x", 1.0), row("y", 1.0, device="Another")])
        self.assertIn("different devices", self.run_script("plot_results.py", two, "--out", str(self.folder / "o"), status=1))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--pictures"]:  # to look at: plot_results_test.py --pictures FILE writes the made-up rows
        pathlib.Path(sys.argv[2]).write_text("".join(json.dumps(one) + "\n" for one in made_up()))
    else:
        unittest.main()
