"""Ask a running page for a round trip: `python examples/client.py http://127.0.0.1:7860/`."""

import sys

from gradio_client import Client


def main(address: str) -> None:
    found = Client(address, verbose=False).predict(
        picture="face:17", n=500, seeds="0-3", api_name="/round_trip"
    )
    print(found["sentence"])
    for seed, back, rmse in zip(found["seeds"], found["came_back"], found["rmse"], strict=True):
        print(f"seed {seed}: {'came back' if back else 'another picture'}, RMSE {rmse:.3f}")


if __name__ == "__main__":
    main(sys.argv[1])
