"""Exact inference over all faces that the atlas can draw, given a noisy face.

A face is a row of choices (see `pictures.faces`), one a column of the atlas. Functions take

    x_n: (B, 16, 16, 3), noisy faces on the [-1, 1] scale,
    choices: (B, columns), the choices that drew the faces,
    alpha_bar: the share of signal variance at the level of x_n.
"""

import numpy as np

from diffdemo.pictures import faces

SWEEPS = 12


def prior(column: str) -> np.ndarray:
    """Return the exact probability of each value of a choice, in the order of `Atlas.values`."""
    atlas = faces.atlas()
    size = atlas.size(column)
    if len(atlas.values(column)) == size:
        return np.full(size, 1 / size)
    present = next(layer.probability for layer in atlas.layers if layer.name == column)
    return np.array([1 - present, *[present / size] * size])


def conditional(
    x_n: np.ndarray, choices: np.ndarray, column: str, alpha_bar: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return the exact posterior of one choice, given a noisy face and all other choices.

        p(value | x_n) ∝ prior(value) exp(-|x_n - sqrt(alpha_bar) x0(value)|² / (2 (1 - alpha_bar)))

    Returns:
        (B, K) probabilities, and the (B, K, 16, 16, 3) uint8 faces that the K values draw.
    """
    drawn = faces.draw_alternatives(choices, column)
    x0 = drawn / np.float32(127.5) - 1
    residual = x_n[:, None] - alpha_bar**0.5 * x0
    square = np.square(residual).sum((2, 3, 4), dtype=np.float64)
    log_p = np.log(prior(column)) - square / (2 * (1 - alpha_bar))
    p = np.exp(log_p - log_p.max(1, keepdims=True))
    return p / p.sum(1, keepdims=True), drawn


def observe(
    x_n: np.ndarray, choices: np.ndarray, alpha_bar: float
) -> tuple[np.ndarray, np.ndarray]:
    """Ask of each attribute how well an observer who knows all the others can name it.

    Values that draw the same face count as one.

    Returns:
        (B, 14) the probability that a draw from the posterior is the true value, and (B, 14)
        whether the most probable value is, 0 or 1.
    """
    own = faces.draw(choices)
    draws = []
    guesses = []
    for column in faces.ATTRIBUTES.values():
        p, drawn = conditional(x_n, choices, column, alpha_bar)
        same = (drawn == own[:, None]).all((2, 3, 4))
        draws.append((p * same).sum(1))
        guesses.append(same[np.arange(len(p)), p.argmax(1)])
    return np.stack(draws, 1), np.stack(guesses, 1).astype(float)


def exact_samples(
    x_n: np.ndarray, choices: np.ndarray, alpha_bar: float, sweeps: int = SWEEPS, seed: int = 0
) -> np.ndarray:
    """Draw a face from the exact posterior of each noisy face, as a perfect model does at eta = 1.

    Gibbs sampling: each choice in turn is drawn from its exact conditional. It starts at the
    truth, which is itself a draw from the posterior.

    Args:
        x_n: noisy faces.
        choices: the true choices.
        alpha_bar: at the level of x_n.
        sweeps: rounds over all choices.
        seed: of the draws.

    Returns:
        (B, columns), the choices drawn.

    References:
        Geman, Geman, 1984, Stochastic relaxation, Gibbs distributions, and the Bayesian
        restoration of images.
    """
    state = choices.copy()
    generator = np.random.default_rng(seed)
    atlas = faces.atlas()
    for _ in range(sweeps):
        for column, place in atlas.columns.items():
            p, _ = conditional(x_n, state, column, alpha_bar)
            below = p.cumsum(1) < generator.random((len(p), 1))
            drawn = below.sum(1).clip(max=p.shape[1] - 1)
            state[:, place] = np.array(atlas.values(column))[drawn]
    return state
