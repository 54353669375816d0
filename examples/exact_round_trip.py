"""One picture, many codes: with the path kept each gives the picture back, alone none does."""

import sys
from pathlib import Path

from PIL import Image

import diffdemo


def main(picture: Path) -> None:
    """Encode a picture with three seeds, and go back with and without the kept path."""
    model = diffdemo.load_model("faces")
    x0 = model.encode(Image.open(picture))
    x_T, z = diffdemo.edit_friendly(model, x0, n=1000, steps=20, seeds=[0, 1, 2])
    exact = diffdemo.replay(model, x_T, z, n=1000)
    alone = diffdemo.denoise(model, x_T, n=1000, steps=20, eta=1.0, seeds=[10, 11, 12])
    apart = float((x_T[0] - x_T[1]).abs().mean())
    print(f"{len(x_T)} codes of one picture, {apart:.2f} apart on average")
    print(f"with the kept path the largest error is {float((exact - x0).abs().max()):.1e}")
    print(f"with the code alone it is {float((alone - x0).abs().max()):.1f}")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "face-17.png")
