import pytest
import torch

from diffdemo.diffusion import metrics


def test_rmse_is_row_by_row():
    a = torch.zeros(2, 3, 4, 4)
    b = torch.stack([torch.full((3, 4, 4), 0.5), torch.full((3, 4, 4), -2.0)])
    assert metrics.rmse(a, b).tolist() == [0.5, 2.0]
    assert metrics.rmse(a[:1], b).tolist() == [0.5, 2.0]


def test_nearest_agrees_with_the_plain_loop():
    x = torch.randn(5, 3, 4, 4)
    candidates = torch.randn(40, 3, 4, 4)
    distance, index = metrics.nearest(x, candidates)
    plain = torch.stack([metrics.rmse(row[None], candidates) for row in x])
    assert torch.equal(index, plain.argmin(1))
    assert torch.allclose(distance, plain.min(1).values, atol=1e-5)


def test_came_back_means_that_the_original_is_nearest():
    line_up = torch.randn(50, 3, 4, 4)
    outside = torch.randn(1, 3, 4, 4)
    original = line_up[7:8]
    near = original + 0.01 * torch.randn(1, 3, 4, 4)

    def came_back(original, reconstructions):
        return metrics.came_back(original, reconstructions, line_up).tolist()

    assert came_back(original, torch.cat([original, near])) == [True, True]
    assert came_back(original, line_up[8:9]) == [False]
    assert came_back(line_up[:3], line_up[[0, 5, 2]]) == [True, False, True]
    assert came_back(outside, outside) == [True]
    assert came_back(outside, 0.4 * outside + 0.6 * line_up[3:4]) == [False]


def test_flattened_pictures_are_cached_until_the_tensor_changes_or_is_gone():
    before = len(metrics._cache)
    line_up = torch.randn(50, 3, 4, 4)
    x = line_up[:4].clone()
    flat = metrics.flatten(line_up)
    assert metrics.nearest(x, line_up)[1].tolist() == [0, 1, 2, 3]
    assert metrics.flatten(line_up) is flat
    line_up[:4] = line_up[4:8].clone()
    line_up[10:14] = x
    assert metrics.nearest(x, line_up)[1].tolist() == [10, 11, 12, 13]
    assert len(metrics._cache) == before + 1
    del line_up
    assert len(metrics._cache) == before


def test_pictures_of_inference_mode_can_be_compared():
    x = torch.randn(4, 3, 4, 4)
    with torch.inference_mode():
        assert metrics.nearest(x, x + 0)[1].tolist() == [0, 1, 2, 3]


def test_unrelated_rmse_is_the_mean_over_pairs():
    x = torch.tensor([0.0, 1.0, 3.0]).view(3, 1, 1, 1).expand(3, 1, 2, 2)
    assert metrics.unrelated_rmse(x) == pytest.approx((1 + 3 + 2) / 3)


def test_the_frechet_distance_of_axis_parallel_gaussians_is_known():
    """|difference of means|^2 + sum (s - t)^2 over the axes; no rotation of both changes it."""
    mean_a, mean_b = torch.tensor([[1.0, 2.0, 0.0], [0.0, 2.0, 4.0]], dtype=torch.float64)
    s, t = torch.tensor([[1.0, 3.0, 0.0], [2.0, 0.5, 7.0]], dtype=torch.float64)
    cov_a = s.square().diag()
    cov_b = t.square().diag()
    known = 1 + 0 + 16 + 1 + 6.25 + 49
    turn = torch.linalg.qr(torch.randn(3, 3, dtype=torch.float64)).Q
    turned = metrics.frechet_of_gaussians(
        turn @ mean_a, turn @ cov_a @ turn.T, turn @ mean_b, turn @ cov_b @ turn.T
    )
    assert metrics.frechet_of_gaussians(mean_a, cov_a, mean_b, cov_b) == pytest.approx(known)
    assert turned == pytest.approx(known)


def test_the_frechet_distance_agrees_with_the_eigenvalues_of_the_product():
    """tr (A B)^1/2 is the sum of the roots of the eigenvalues of A B, which is not symmetric."""
    a = torch.randn(400, 6).double() @ torch.randn(6, 6).double()
    b = 0.3 + torch.randn(300, 6).double() @ torch.randn(6, 6).double()
    A = a.T.cov()
    B = b.T.cov()
    cross = torch.linalg.eigvals(A @ B).real.sqrt().sum()
    means = (a.mean(0) - b.mean(0)).square().sum()
    known = float(means + A.trace() + B.trace() - 2 * cross)
    assert metrics.frechet(a.float(), b.float()) == pytest.approx(known, rel=1e-4)
    assert metrics.frechet(a, b) == pytest.approx(metrics.frechet(b, a))
    assert abs(metrics.frechet(a, a.flip(0))) < 1e-9 * float(A.trace())


def test_the_frechet_distance_works_with_fewer_rows_than_features():
    a = torch.randn(5, 20)
    assert metrics.frechet(a, a + 2.0) == pytest.approx(80, rel=1e-5)
