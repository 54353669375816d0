"""Noise one face at four levels with six seeds, denoise, and write a contact sheet."""

import argparse

import numpy as np
from PIL import Image

from diffdemo import RoundTrip, run
from diffdemo.pictures.images import sheet, to_uint8


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--picture", default="face:17")
    parser.add_argument("--out", default="round_trip.png")
    args = parser.parse_args()
    rows = []
    for n in (100, 250, 500, 1000):
        result = run(RoundTrip(picture=args.picture, n=n, seeds=range(6)))
        print(
            f"n = {n}: {int(result.came_back.sum())} of 6 came back, "
            f"mean RMSE {result.rmse.mean():.3f}"
        )
        rows += [to_uint8(result.x0), to_uint8(result.x_n), to_uint8(result.reconstructions)]
    Image.fromarray(sheet(np.concatenate(rows), columns=13, scale=4, gap=1)).save(args.out)


if __name__ == "__main__":
    main()
