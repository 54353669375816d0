import pytest
import torch

from diffdemo import metrics


def test_rmse_is_a_row_at_a_time():
    a = torch.zeros(2, 3, 4, 4)
    b = torch.stack([torch.full((3, 4, 4), 0.5), torch.full((3, 4, 4), -2.0)])
    assert metrics.rmse(a, b).tolist() == [0.5, 2.0]
    assert metrics.rmse(a[:1], b).tolist() == [0.5, 2.0]


def test_nearest_agrees_with_the_plain_loop():
    x, candidates = torch.randn(5, 3, 4, 4), torch.randn(40, 3, 4, 4)
    distance, index = metrics.nearest(x, candidates)
    plain = torch.stack([metrics.rmse(row[None], candidates) for row in x])
    assert torch.equal(index, plain.argmin(1))
    assert torch.allclose(distance, plain.min(1).values, atol=1e-5)


def test_came_back_means_the_original_is_nearest():
    line_up = torch.randn(50, 3, 4, 4)
    original, near = line_up[7:8], line_up[7:8] + 0.01 * torch.randn(1, 3, 4, 4)
    assert metrics.came_back(original, torch.cat([original, near]), line_up).tolist() == [True, True]
    assert metrics.came_back(original, line_up[8:9], line_up).tolist() == [False]
    pairs = metrics.came_back(line_up[:3], torch.stack([line_up[0], line_up[5], line_up[2]]), line_up)
    assert pairs.tolist() == [True, False, True]
    outside = torch.randn(1, 3, 4, 4)
    assert metrics.came_back(outside, outside, line_up).tolist() == [True]
    closer_to_another = 0.4 * outside + 0.6 * line_up[3:4]
    assert metrics.came_back(outside, closer_to_another, line_up).tolist() == [False]


def test_what_is_kept_of_a_line_up_goes_with_it_and_follows_its_changes():
    line_up, before = torch.randn(50, 3, 4, 4), len(metrics._terms)
    x = line_up[:4].clone()
    known = metrics.terms(line_up)
    assert metrics.nearest(x, line_up)[1].tolist() == [0, 1, 2, 3]
    assert metrics.terms(line_up) is known
    line_up[:4] = line_up[4:8].clone()
    line_up[10:14] = x
    assert metrics.nearest(x, line_up)[1].tolist() == [10, 11, 12, 13]
    assert len(metrics._terms) == before + 1
    del line_up
    assert len(metrics._terms) == before
    with torch.inference_mode():
        assert metrics.nearest(x, x + 0)[1].tolist() == [0, 1, 2, 3]


def test_unrelated_rmse_is_the_mean_over_pairs():
    x = torch.stack([torch.zeros(1, 2, 2), torch.ones(1, 2, 2), torch.full((1, 2, 2), 3.0)])
    assert metrics.unrelated_rmse(x) == pytest.approx((1 + 3 + 2) / 3)


def test_the_frechet_distance_of_axis_parallel_gaussians_is_known():
    """|difference of means|^2 + sum (s - t)^2 over the axes, and no rotation of both changes it."""
    mean_a, mean_b = torch.tensor([[1.0, 2.0, 0.0], [0.0, 2.0, 4.0]], dtype=torch.float64)
    s, t = torch.tensor([[1.0, 3.0, 0.0], [2.0, 0.5, 7.0]], dtype=torch.float64)
    known = 1 + 0 + 16 + 1 + 6.25 + 49
    assert metrics.frechet_of_gaussians(mean_a, s.square().diag(), mean_b, t.square().diag()) == pytest.approx(known)
    turn = torch.linalg.qr(torch.randn(3, 3, dtype=torch.float64)).Q
    turned = [(turn @ mean, turn @ spread.square().diag() @ turn.T) for mean, spread in ((mean_a, s), (mean_b, t))]
    assert metrics.frechet_of_gaussians(*turned[0], *turned[1]) == pytest.approx(known)


def test_the_frechet_distance_agrees_with_the_eigenvalues_of_the_product():
    """tr (A B)^1/2 is also the sum of the roots of the eigenvalues of A B, which is not symmetric."""
    a, b = torch.randn(400, 6).double() @ torch.randn(6, 6).double(), 0.3 + torch.randn(300, 6).double() @ torch.randn(6, 6).double()
    A, B = a.T.cov(), b.T.cov()
    cross = torch.linalg.eigvals(A @ B).real.sqrt().sum()
    other = float((a.mean(0) - b.mean(0)).square().sum() + A.trace() + B.trace() - 2 * cross)
    assert metrics.frechet(a.float(), b.float()) == pytest.approx(other, rel=1e-4)
    assert metrics.frechet(a, b) == pytest.approx(metrics.frechet(b, a))
    assert abs(metrics.frechet(a, a.flip(0))) < 1e-9 * float(A.trace())


def test_the_frechet_distance_works_with_fewer_rows_than_features():
    a = torch.randn(5, 20)
    assert metrics.frechet(a, a + 2.0) == pytest.approx(80, rel=1e-5)
