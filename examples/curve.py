"""At which n is a face no longer itself? What is known and what comes back, level by level, as a table, a picture and a film."""

import sys
from pathlib import Path

import diffdemo
from diffdemo import exports, report


def main(folder: Path) -> None:
    """Run one curve and write it to a folder."""
    model = diffdemo.load_model("faces")
    result = diffdemo.run(diffdemo.Curve(picture="face:17", levels=tuple(range(0, 1001, 100)), seeds=(0, 1, 2, 3), steps=10))
    print(report.sentence(result))
    for n, bits, back in zip(result.experiment.levels, result.bits_known.mean(1), result.came_back.sum(1), strict=True):
        print(f"n = {n:4d}: {float(bits):4.1f} of {result.bits:.1f} bits known, {int(back)} of 4 came back")
    for ending in (".csv", ".png", ".webp"):
        exports.write(result, folder / f"curve{ending}", model.schedule)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "."))
