"""A small study: does a face come back, over pictures, levels and seeds?

Stop it at any time; it resumes where it was.
"""

import sys
from pathlib import Path

import diffdemo
from diffdemo.measure.study import Study
from diffdemo.measure.study.report import means
from diffdemo.measure.study.run import run


def main(folder: Path) -> None:
    """Run it in this process; `python -m diffdemo study --help` does the same in several."""
    model = diffdemo.load_model("faces")
    settings = Study("faces", "face:900000-900003", levels="0:1000:250", seeds="0-3", steps=10)
    for now in run(settings, model, folder):
        print(f"{now.done} of {now.total} rows", end="\r")
    print()
    for row in means(folder / "study.csv"):
        back = f"{100 * row.came_back:3.0f} % came back"
        kept = f"{100 * row.kept:3.0f} % of the attributes kept"
        print(f"n = {row.n:4d}: {back}, {kept}, RMSE {row.rmse:.2f}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "study"))
