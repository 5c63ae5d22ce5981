#!/usr/bin/env python3
"""scripts/compare_results.py, check_aims.py, compare_cuts.py and plot_results.py on files made up here: what they print and
draw, what they refuse, and that a picture is XML with nothing outside of its card and no two texts over each other."""

import json
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest
from xml.etree import ElementTree

SCRIPTS = pathlib.Path(__file__).resolve().parents[2] / "scripts"
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


class Aims(Folder):
    def verdict(self, rows, case, against, *options, status=0):
        out = self.run_script("check_aims.py", self.write("aims", rows), *options, status=status)
        lines = [line for line in out.splitlines() if f" {case} " in line and f" {against} " in line]
        self.assertEqual(len(lines), 1, out)
        return lines[0]

    def lstm(self, ms, algorithm="persistent", **other):
        return row(algorithm, ms, floor_ms=0.4, floor_from="steps", share_of_floor=0.4 / ms, **other)

    def test_the_quickest_of_both_sides_counts_but_no_forced_cut(self):
        rows = [self.lstm(1.0), self.lstm(0.8, launch="graph"), self.lstm(2.0, "stepwise"), self.lstm(0.1, "persistent_c4_s8"),
                row("cudnn_standard_packed", 12.0), row("cudnn_standard_packed", 10.0, launch="graph"),
                row("cudnn_persist_static_padded", 1.6), row("cudnn_standard_padded_full", 2.4), row("torch_packed", 0.01)]
        packed = self.verdict(rows, "skew small", "cuDNN packed (STANDARD)")
        self.assertRegex(packed, r"12\.50x of +12\.00x +met +persistent, graph 0\.8 ms; cudnn_standard_packed, graph 10 ms")
        self.assertRegex(self.verdict(rows, "skew small", "cuDNN's best padded"), r"2\.00x of +3\.00x +missed")
        self.assertRegex(self.verdict(rows, "skew small", "its floor"), r"50 % of +50 % +met +persistent, graph; 0\.4 ms by steps")
        self.assertRegex(self.verdict(rows, "mimic small", "its floor"), r"- of +40 % +not measured +ragtime has no time")

    def test_other_types_and_passes_are_no_answer(self):
        rows = [self.lstm(1.0), row("cudnn_standard_packed", 50.0, dtype="f16"),
                row("cudnn_standard_packed", 50.0, **{"pass": "forward"})]
        self.assertIn("cuDNN packed (STANDARD) has no time", self.verdict(rows, "skew small", "cuDNN packed (STANDARD)"))

    def test_why_there_is_no_time(self):
        rows = [self.lstm(1.0), refused("cudnn_persist_static_padded")]
        self.assertIn("padded has no time: cuDNN says <no>", self.verdict(rows, "skew small", "cuDNN's best padded"))
        self.assertIn("the row has no floor", self.verdict([row("persistent", 1.0)], "skew small", "its floor"))

    def test_the_aims_beside_the_table(self):
        rows = [row("persistent", 1.0, "flashrnn", "h128"), row("cudnn_persist_static_padded", 3.5, "flashrnn", "h128"),
                row("cudnn_standard_packed", 9.0, "flashrnn", "h128"), row("persistent", 1.0, "rollout", "h256"),
                row("torch_rl_triton", 4.0, "rollout", "h256"), row("torch_rl_triton_f32_storage", 2.9, "rollout", "h256")]
        step = {"operation": "train_step", "pass": "train_step"}
        rows += [row("next_visit", 2.0, "synthea", **step), row("next_visit_any_batch", 1.0, "synthea", **step),
                 row("torch_eager_next_visit", 11.0, "synthea", **step), row("torch_compile_next_visit", 4.0, "synthea", **step),
                 row("binary_classification", 0.1, "synthea", **step)]
        self.assertRegex(self.verdict(rows, "flashrnn h128", "cuDNN's best"), r"3\.50x of +3\.00x +met")
        self.assertRegex(self.verdict(rows, "rollout h256", "TorchRL's Triton"), r"2\.90x of +3\.00x +missed")
        out = self.run_script("check_aims.py", self.write("aims", rows))
        self.assertRegex(out, r"next_visit +synthea small +PyTorch eager +11\.00x of +10\.00x +met +next_visit_any_batch, stream")
        self.assertRegex(out, r"next_visit +synthea small +PyTorch compiled +4\.00x of +5\.00x +missed")
        self.assertRegex(out, r"binary_classification +synthea small +PyTorch eager +- of +10\.00x +not measured")
        self.assertIn("2 met, 2 missed, 35 not measured", out)

    def test_a_folder_strictness_and_what_is_refused(self):
        folder = self.folder / "gpu"
        folder.mkdir()
        (folder / "a.jsonl").write_text(json.dumps(self.lstm(1.0)) + "\n")
        (folder / "b.jsonl").write_text(json.dumps(row("cudnn_standard_packed", 2.0)) + "\n")
        self.assertIn("2 missed", self.run_script("check_aims.py", str(folder), "--strict", status=1))
        self.run_script("check_aims.py", str(folder))
        (folder / "c.jsonl").write_text(json.dumps(row("x", 2.0, device="Another")) + "\n")
        self.assertIn("different devices", self.run_script("check_aims.py", str(folder), status=1))
        empty = self.folder / "empty"
        empty.mkdir()
        self.assertIn("no results there", self.run_script("check_aims.py", str(empty), status=1))


class Cuts(Folder):
    def test_predicted_beside_measured_and_what_the_choice_costs(self):
        def cut(cluster, slots, predicted, ms, **other):
            return row(f"persistent_c{cluster}_s{slots}", ms, predicted_us=predicted, **other)

        choice = {"algorithm": "persistent", "cluster": 8, "slots": 8}
        rows = [row("stepwise", 2.0, predicted_us=1500.0), cut(4, 8, 700.0, 0.8), cut(8, 8, 600.0, 1.0), cut(8, 8, 600.0, 1.2),
                cut(16, 8, 650.0, 1.1, launch="graph"), row("cudnn_standard_packed", 0.1),
                row("persistent_any_batch", 0.5, predicted_us=600.0, forward_choice=choice),
                row("persistent", 1.0, predicted_us=600.0, forward_choice=choice, backward_choice=choice)]
        out = self.run_script("compare_cuts.py", self.write("a", rows))
        self.assertRegex(out, r"C  8 S  8 \* +predicted +600\.0 us +measured +1000\.0 us +rest +400\.0 us\n")
        self.assertRegex(out, r"C  4 S  8 +predicted +700\.0 us +measured +800\.0 us +rest +100\.0 us +best\n")
        self.assertRegex(out, r"stepwise +predicted +1500\.0 us")
        self.assertIn("1 cases: the model's persistent takes 1.250 of the best, 1.250 at most", out)
        other = {**choice, "slots": 16}
        rows[-1] = row("persistent", 1.0, predicted_us=590.0, forward_choice=choice, backward_choice=other)
        out = self.run_script("compare_cuts.py", self.write("a", rows))
        self.assertRegex(out, r"chosen \* +predicted +590\.0 us")
        self.assertNotRegex(out, r"S  8 \*")

    def test_a_file_without_a_sweep(self):
        self.assertIn("no case has a time", self.run_script("compare_cuts.py", self.write("a", [row("x", 1.0)]), status=1))


def made_up():
    """Rows of every workload and size, ratios from 1/3 to 250."""
    rows = []
    cases = [(workload, size) for workload in ("large", "mimic", "synthea", "claims", "skew")
             for size in ("large", "medium", "small")] + [("flashrnn", "h128"), ("flashrnn", "h768"), ("rollout", "h256")]
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
        self.assertEqual(speed.count("12.5x"), 18)  # packed; ragtime's quicker launch counts
        self.assertEqual(speed.count("3.00x"), 17)  # the best padded
        self.assertEqual(speed.count("0.33x"), 1)
        self.assertEqual(speed.count("250x"), 1)
        self.assertEqual(speed.count("7.00x"), 18)
        names = [words for words in speed if re.match("(mimic|large|rollout)", words)]
        self.assertEqual(names, ["mimic small", "mimic medium", "mimic large", "large small", "large medium", "large large",
                                 "rollout h256"])
        self.assertEqual(self.texts(pictures["train-speed-next_visit.svg"]).count("11.0x"), 18)
        floor = self.texts(pictures["floor-bf16.svg"])
        self.assertEqual(floor.count("90 %"), 18 + 1)  # pooling everywhere, and the LSTM of the last but one
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

    def test_ragtimes_quickest_counts_but_no_forced_cut(self):
        step = {"operation": "train_step", "pass": "train_step"}
        pictures = self.draw([row("stepwise", 8.0), row("persistent", 2.0, share_of_floor=0.25),
                              row("persistent_c4_s8", 1.0, share_of_floor=0.5), row("torch_packed", 16.0),
                              row("torch_rl_triton", 0.1), row("next_visit", 4.0, **step), row("next_visit_any_batch", 2.0, **step),
                              row("torch_eager_next_visit", 6.0, **step)])
        self.assertIn("8.00x", self.texts(pictures["lstm-speed-bf16.svg"]))
        self.assertIn("25 %", self.texts(pictures["floor-bf16.svg"]))
        self.assertIn("3.00x", self.texts(pictures["train-speed-next_visit.svg"]))

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
