"""What the scripts that draw pictures for docs/images share."""

import argparse
import pathlib
import sys

IMAGES = pathlib.Path(__file__).resolve().parent.parent / "docs" / "images"


def main(description, pictures):
    """pictures: file name in docs/images -> a function that returns its text. Writes them, or compares with --check."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="compare with the committed files, write nothing")
    check = parser.parse_args().check
    for name, draw in pictures.items():
        file, drawn = IMAGES / name, draw()
        if not check:
            IMAGES.mkdir(parents=True, exist_ok=True)
            file.write_text(drawn, encoding="utf-8")
            print(file)
        elif not file.exists() or file.read_text(encoding="utf-8") != drawn:
            sys.exit(f"{file} is not what this script draws: run it without --check")
