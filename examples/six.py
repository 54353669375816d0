"""All six experiments from Python, small, one line of findings each: `python examples/six.py`."""

import diffdemo


def main() -> None:
    trip = diffdemo.run(diffdemo.RoundTrip(picture="face:17", n=250, seeds=(0, 1, 2, 3)))
    print("there and back:", trip.came_back.tolist(), trip.rmse.tolist(), trip.kept.tolist(), trip.experiment.to_query())

    curve = diffdemo.run(diffdemo.Curve(model="digits", picture="digit:3", levels=(0, 300, 600, 1000), seeds=(0, 1)))
    print("point of no return:", curve.bits_known.mean(1).tolist(), curve.kept.mean(1).tolist())  # levels x seeds

    code = diffdemo.run(diffdemo.Embedding(n=1000, steps=10, methods=("ddim",))).codes["ddim"]
    print("is x_T an embedding:", code.rmse.tolist(), code.gaussian, code.statistics["variance"])  # it comes back, more or less, from no noise

    odds = diffdemo.run(diffdemo.Collision(picture="face:17", other="face:4", n=500, steps=5))
    print("two pictures, one noise:", odds.log_odds, odds.plausibility.mean_square, odds.a.tolist(), odds.b.tolist())

    belief = diffdemo.run(diffdemo.Belief(picture="face:17", n=400, seed=0))
    print("what could it have been:", belief.top[0].name, belief.top[0].probability, belief.entropy_bits)

    tree = diffdemo.run(diffdemo.Branch(points=3, futures=2, steps=6))
    print("where paths split:", tree.path.levels.tolist(), tree.kept.tolist(), tree.diversity.tolist())  # by branching point


if __name__ == "__main__":
    main()
