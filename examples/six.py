"""All six experiments from Python, small, one line of findings each: `python examples/six.py`."""

from diffdemo import Belief, Branch, Collision, Curve, Embedding, RoundTrip, run


def main() -> None:
    """Run each experiment and print what it found."""
    trip = run(RoundTrip(picture="face:17", n=250, seeds=(0, 1, 2, 3)))
    print("there and back:", trip.came_back.tolist(), trip.rmse.tolist(), trip.kept.tolist())

    curve = run(Curve(model="digits", picture="digit:3", levels=(0, 300, 600, 1000), seeds=(0, 1)))
    known = curve.bits_known.mean(1).tolist()  # a level
    print("point of no return:", known, curve.kept.mean(1).tolist())

    code = run(Embedding(n=1000, steps=10, methods=("ddim",))).codes["ddim"]
    print("is x_T an embedding:", code.rmse.tolist(), code.gaussian, code.statistics["variance"])

    odds = run(Collision(picture="face:17", other="face:4", n=500, steps=5))
    print("two pictures, one noise:", odds.log_odds, odds.plausibility.mean_square)

    belief = run(Belief(picture="face:17", n=400, seed=0))
    likely = belief.top[0]
    print("what could it have been:", likely.name, likely.probability, belief.entropy_bits)

    tree = run(Branch(points=3, futures=2, steps=6))
    print("where paths split:", tree.path.levels.tolist(), tree.diversity.tolist())


if __name__ == "__main__":
    main()
