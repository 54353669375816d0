"""Distances between pictures, row by row, and between distributions of features."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.utils.weak import WeakIdKeyDictionary


@dataclass(frozen=True, eq=False)
class FlatPictures:
    """Pictures in the form that comparisons need.

    Attributes:
        rows: (N, C H W) float64, the pictures.
        power: (N,) float64, the sum of their squares.
        version: of the tensor, which changes when it is written to.
    """

    rows: Tensor
    power: Tensor
    version: int


def float64_rows(x: Tensor) -> Tensor:
    """Return x (B, ...) as (B, d) float64 on the CPU."""
    return x.detach().cpu().double().flatten(1)


_cache = WeakIdKeyDictionary()  # entries live as long as the pictures they were made from


def flatten(pictures: Tensor) -> FlatPictures:
    """Flatten pictures (N, C, H, W) of any device; computed once for one tensor."""
    version = 0 if pictures.is_inference() else pictures._version
    found = _cache.get(pictures)
    if found is None or found.version != version:
        rows = float64_rows(pictures)
        power = rows.square().sum(1)
        found = FlatPictures(rows, power, version)
        _cache[pictures] = found
    return found


def rmse(a: Tensor, b: Tensor) -> Tensor:
    """Return the root mean square difference over all pixels, in the units of the pictures: (B,).

    Args:
        a: (B, C, H, W), or (1, C, H, W) compared with every row of the other.
        b: the same.
    """
    return (a - b).square().mean((1, 2, 3)).sqrt()


def nearest(pictures: Tensor, candidates: Tensor) -> tuple[Tensor, Tensor]:
    """Find the nearest candidate to each picture by RMSE.

    Args:
        pictures: (B, C, H, W).
        candidates: (N, C, H, W).

    Returns:
        (B,) float32 RMSE to it, and (B,) int64 its index.
    """
    best, index = _squared_distance(pictures, candidates).min(1)
    mean_square = best / pictures[0].numel()
    return mean_square.sqrt().float(), index


def came_back(original: Tensor, reconstructions: Tensor, line_up: Tensor) -> Tensor:
    """Return whether no different picture of the line-up is nearer than the original: (B,) bool.

    Args:
        original: (B, C, H, W), or (1, C, H, W) for all reconstructions.
        reconstructions: (B, C, H, W).
        line_up: (N, C, H, W); a candidate equal to the original does not count against it.
    """
    others = _squared_distance(reconstructions, line_up)
    equal = torch.stack([(line_up == picture).flatten(1).all(1) for picture in original])
    others[equal.expand_as(others)] = torch.inf
    own = (reconstructions - original).double().square().flatten(1).sum(1)
    return own <= others.min(1).values


def _squared_distance(a: Tensor, b: Tensor) -> Tensor:
    """Return |a|^2 - 2 a.b + |b|^2, summed over pixels: (A, B) float64."""
    a = a.flatten(1).double()
    flat = flatten(b)
    power = a.square().sum(1)[:, None]
    product = a @ flat.rows.T
    return (power - 2 * product + flat.power).clamp(min=0)


def unrelated_rmse(pictures: Tensor) -> float:
    """Return the mean RMSE over all pairs of different pictures: (B, C, H, W), B >= 2.

    It is the scale on which a distance is large.
    """
    distances = torch.pdist(pictures.flatten(1))
    return float(distances.mean() / pictures[0].numel() ** 0.5)


def frechet(a: Tensor, b: Tensor) -> float:
    """Return the squared Fréchet distance between Gaussians fitted to features (N, D), (M, D).

    FID is this distance for the features of an Inception network.

    References:
        Heusel et al., 2017, GANs trained by a two time-scale update rule, eq. 6, arXiv 1706.08500.
    """
    return frechet_of_gaussians(*_fit(a), *_fit(b))


def _fit(features: Tensor) -> tuple[Tensor, Tensor]:
    x = features.double()
    size = x.shape[1]
    return x.mean(0), x.T.cov().view(size, size)  # cov of one feature has no dimensions


def frechet_of_gaussians(mean_a: Tensor, cov_a: Tensor, mean_b: Tensor, cov_b: Tensor) -> float:
    """Return |mean_a - mean_b|^2 + tr(A + B - 2 (A^1/2 B A^1/2)^1/2).

    A and B are the covariances, (D, D), of means (D,); all float64.

    References:
        Dowson & Landau, 1982, The Fréchet distance between multivariate normal distributions,
        eq. 4.
    """
    values, vectors = torch.linalg.eigh(cov_a)
    root = vectors * values.clamp(min=0).sqrt() @ vectors.T
    cross = torch.linalg.eigvalsh(root @ cov_b @ root).clamp(min=0)
    means = (mean_a - mean_b).square().sum()
    return float(means + cov_a.trace() + cov_b.trace() - 2 * cross.sqrt().sum())
