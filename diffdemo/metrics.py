"""Distances between pictures, a row at a time: tensors in, (B,) out; and between distributions of features."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.utils.weak import WeakIdKeyDictionary


@dataclass(frozen=True, eq=False)
class Terms:
    """What every comparison with the same pictures needs of them.

    Attributes:
        rows: (N, C H W) float64, the pictures.
        power: (N,) float64, the sum of their squares.
        version: of the tensor, which changes when it is written to.
    """

    rows: Tensor
    power: Tensor
    version: int


_terms = WeakIdKeyDictionary()  # pictures → their terms, as long as somebody holds the pictures


def terms(pictures: Tensor) -> Terms:
    """The terms of pictures (N, C, H, W) on any device, on the CPU; computed once for one tensor."""
    found, version = _terms.get(pictures), 0 if pictures.is_inference() else pictures._version
    if found is None or found.version != version:
        rows = pictures.detach().cpu().flatten(1).double()
        found = _terms[pictures] = Terms(rows, rows.square().sum(1), version)
    return found


def rmse(a: Tensor, b: Tensor) -> Tensor:
    """(B,) root mean square difference over all pixels, in the units of the pictures ([-1, 1] wide); one row broadcasts.

    Args:
        a: (B, C, H, W), or (1, C, H, W) compared with every row of the other.
        b: the same.
    """
    return (a - b).square().mean((1, 2, 3)).sqrt()


def nearest(pictures: Tensor, candidates: Tensor) -> tuple[Tensor, Tensor]:
    """The nearest candidate to each picture by RMSE.

    Args:
        pictures: (B, C, H, W).
        candidates: (N, C, H, W).

    Returns:
        (B,) float32 RMSE to it, and (B,) int64 its index.
    """
    best, index = _squared_distance(pictures, candidates).min(1)
    return (best / pictures[0].numel()).sqrt().float(), index


def came_back(original: Tensor, reconstructions: Tensor, line_up: Tensor) -> Tensor:
    """(B,) bool: the original is nearer, by RMSE, to the reconstruction than any picture of the line-up that differs from it.

    Args:
        original: (B, C, H, W), or (1, C, H, W) for all reconstructions.
        reconstructions: (B, C, H, W).
        line_up: (N, C, H, W); a candidate equal to the original does not count against it.
    """
    other = _squared_distance(reconstructions, line_up)
    equal = torch.stack([(line_up == picture).flatten(1).all(1) for picture in original])
    other[equal.expand_as(other)] = torch.inf
    return (reconstructions - original).double().square().flatten(1).sum(1) <= other.min(1).values


def _squared_distance(a: Tensor, b: Tensor) -> Tensor:
    """(A, B) float64 |a|^2 - 2 a.b + |b|^2, summed over pixels."""
    a, known = a.flatten(1).double(), terms(b)
    return (a.square().sum(1)[:, None] - 2 * a @ known.rows.T + known.power).clamp(min=0)


def unrelated_rmse(pictures: Tensor) -> float:
    """Mean RMSE over all pairs of different pictures: (B, C, H, W), B >= 2 → the scale on which a distance is large."""
    return float(torch.pdist(pictures.flatten(1)).mean() / pictures[0].numel() ** 0.5)


def frechet(a: Tensor, b: Tensor) -> float:
    """Squared Fréchet distance between the Gaussians that fit two sets of features: (N, D) and (M, D) → what FID is with another network.

    References:
        Heusel et al., 2017, GANs trained by a two time-scale update rule, eq. 6, arXiv 1706.08500.
    """
    fits = [(x.double().mean(0), x.double().T.cov().view(x.shape[1], x.shape[1])) for x in (a, b)]
    return frechet_of_gaussians(*fits[0], *fits[1])


def frechet_of_gaussians(mean_a: Tensor, cov_a: Tensor, mean_b: Tensor, cov_b: Tensor) -> float:
    """|mean_a - mean_b|^2 + tr(A + B - 2 (A^1/2 B A^1/2)^1/2), A and B the covariances: means (D,), covariances (D, D), float64.

    References:
        Dowson & Landau, 1982, The Fréchet distance between multivariate normal distributions, eq. 4.
    """
    values, vectors = torch.linalg.eigh(cov_a)
    root = vectors * values.clamp(min=0).sqrt() @ vectors.T
    cross = torch.linalg.eigvalsh(root @ cov_b @ root).clamp(min=0).sqrt().sum()
    return float((mean_a - mean_b).square().sum() + cov_a.trace() + cov_b.trace() - 2 * cross)
