"""At which n is a face no longer itself? The answer level by level, as a table and a film."""

import sys
from pathlib import Path

import diffdemo
from diffdemo.report import exports
from diffdemo.report.presenter import present


def main(folder: Path) -> None:
    """Run one curve and write it to a folder."""
    model = diffdemo.load_model("faces")
    levels = tuple(range(0, 1001, 100))
    curve = diffdemo.Curve(picture="face:17", levels=levels, seeds=(0, 1, 2, 3), steps=10)
    result = diffdemo.run(curve)
    print(present(result).sentence())
    known = result.bits_known.mean(1)
    came_back = result.came_back.sum(1)
    for i, n in enumerate(levels):
        bits = f"{float(known[i]):4.1f} of {result.bits:.1f} bits known"
        print(f"n = {n:4d}: {bits}, {int(came_back[i])} of 4 came back")
    for ending in (".csv", ".png", ".webp"):
        exports.write(result, folder / f"curve{ending}", model.schedule)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "."))
