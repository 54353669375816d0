"""The samplers that are timed: ours, with its own forward pass and with diffusers', and others.

Each of the others has its own denoiser interface and its own deterministic sampler, around our
weights. All get the same x_T and visit the same trailing levels. Each sampler is DDIM in its own
parametrisation, so all pictures must agree. What does not depend on x_T is made before the clock
runs, and progress bars are off.

References:
    Song, Meng, Ermon, 2021, DDIM, eq. 13 (Euler in sigma = sqrt(1 / alpha_bar - 1)),
    arXiv 2010.02502.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.util import find_spec
from unittest.mock import patch

import torch
from diffusers import DDIMScheduler
from torch import Tensor

from diffdemo.diffusion.grids import grid
from diffdemo.errors import DiffdemoError
from diffdemo.lab import batches
from diffdemo.models import Model

Run = Callable[[Tensor, int], Tensor]  # x_T (B, C, H, W) and the number of network calls → x_0
REQUIREMENTS = ".ci/bench-requirements.txt"


@dataclass(frozen=True)
class Contender:
    """One sampler.

    Attributes:
        name: in the tables.
        prepare: makes the sampler ready for a model.
        package: which must be installed.
    """

    name: str
    prepare: Callable[[Model], Run]
    package: str = "diffusers"


def prepare(model: Model, only: str = "") -> tuple[dict[str, Run], list[str]]:
    """Return every sampler that can take part, ours first, and a line on each that cannot.

    Args:
        model: whose weights all use.
        only: the name of one sampler; nothing for all.

    Raises:
        DiffdemoError: the model takes a prompt, which the adapters do not pass on.
    """
    if model.kind == "text":
        limit = "bench times networks without one"
        raise DiffdemoError(f"The model {model.name} takes a prompt; {limit}.")
    runs: dict[str, Run] = {}
    left_out = []
    for contender in CONTENDERS:
        if only not in ("", contender.name):
            continue
        try:
            if not installed(contender):
                cure = f"pip install -r {REQUIREMENTS}"
                raise DiffdemoError(f"it is not installed ({cure}).")
            runs[contender.name] = contender.prepare(model)
        except DiffdemoError as error:
            left_out.append(f"{contender.name} is left out: {error}")
    return runs, left_out


def installed(contender: Contender) -> bool:
    """Whether the sampler's package is installed."""
    return find_spec(contender.package) is not None


def _ours(model: Model) -> Run:
    T = model.schedule.T
    return lambda x_T, steps: batches.draw(model, x_T, T, range(len(x_T)), steps)


def _plain(model: Model) -> Run:
    """Ours around diffusers' forward pass."""
    return _ours(replace(model, network=model.unet))


def _diffusers(model: Model) -> Run:
    """What diffusers' own documentation shows: a scheduler, its timesteps, step after step."""
    alpha_bar = model.schedule.alpha_bar
    scheduler = DDIMScheduler(
        trained_betas=(1 - alpha_bar[1:] / alpha_bar[:-1]).numpy(),
        prediction_type=model.prediction_type,
        clip_sample=False,
        timestep_spacing="trailing",
    )

    @torch.no_grad()
    def run(x_T: Tensor, steps: int) -> Tensor:
        scheduler.set_timesteps(steps)
        x = x_T.to(model.device, model.dtype)
        for t in scheduler.timesteps:
            x = scheduler.step(model.unet(x, t).sample, t, x).prev_sample
        return x.to(x_T)

    return run


def _seed_by_seed(model: Model) -> Run:
    run = _diffusers(model)
    return lambda x_T, steps: torch.cat([run(row, steps) for row in x_T.split(1)])


def _smalldiffusion(model: Model) -> Run:
    """`samples` with gam = 1 and mu = 0, which its source calls DDIM: Euler in sigma."""
    from smalldiffusion import ModelMixin, PredV, PredX0, Scaled, samples

    sigmas = _sigmas(model)

    class Network(torch.nn.Module, ModelMixin):
        input_dims = model.shape

        def forward(self, x: Tensor, sigma: Tensor, cond: object = None) -> Tensor:
            return model.unet(x, (sigmas[1:] - sigma).abs().argmin()).sample

    scaled = Scaled(Network)
    kinds = {"epsilon": scaled, "v_prediction": PredV(scaled), "sample": PredX0(scaled)}
    network = kinds[model.prediction_type]()

    def run(x_T: Tensor, steps: int) -> Tensor:
        visited = sigmas[grid(model.schedule, model.schedule.T, steps)]
        # `accelerator` must be something, but is not used where x_T is given
        *_, x = samples(network, visited, xt=_exploding(model, x_T), accelerator=True)
        return x.to(x_T)

    return run


def _azula(model: Model) -> Run:
    """`DDIMSampler`; its even times from 1 to 0 are the trailing levels where steps divides T."""
    from azula.denoise import Denoiser, DiracPosterior
    from azula.noise import Schedule
    from azula.sample import DDIMSampler

    T = model.schedule.T
    alphas = model.schedule.alpha_bar.sqrt().to(model.device, model.dtype)
    sigmas = (1 - model.schedule.alpha_bar).sqrt().to(model.device, model.dtype)

    class Known(Schedule):
        def __call__(self, t: Tensor) -> tuple[Tensor, Tensor]:
            n = (t * T).round().long()
            return alphas[n], sigmas[n]

    class Network(Denoiser):
        schedule = Known()

        def forward(self, x_t: Tensor, t: Tensor) -> DiracPosterior:
            alpha, sigma = self.schedule(t)
            output = model.unet(x_t, (t * T).round().long() - 1).sample
            if model.prediction_type == "v_prediction":
                output = alpha * x_t - sigma * output
            elif model.prediction_type == "epsilon":
                output = (x_t - sigma * output) / alpha
            return DiracPosterior(mean=output)

    network = Network()

    def run(x_T: Tensor, steps: int) -> Tensor:
        sampler = DDIMSampler(network, steps=steps, silent=True)
        return sampler(x_T.to(model.device, model.dtype)).to(x_T)

    return run


def _k_diffusion(model: Model) -> Run:
    """`sample_euler` without churn: Euler in sigma."""
    from k_diffusion.external import DiscreteEpsDDPMDenoiser, DiscreteVDDPMDenoiser
    from k_diffusion.sampling import sample_euler

    wrappers = {"epsilon": DiscreteEpsDDPMDenoiser, "v_prediction": DiscreteVDDPMDenoiser}
    if model.prediction_type not in wrappers:
        raise DiffdemoError(f"it has no wrapper for networks that predict {model.prediction_type}.")
    sigmas = _sigmas(model)
    alpha_bar = model.schedule.alpha_bar[1:].to(model.device, model.dtype)
    wrapper = wrappers[model.prediction_type]
    network = wrapper(lambda x, t: model.unet(x, t).sample, alpha_bar, quantize=True)

    def run(x_T: Tensor, steps: int) -> Tensor:
        visited = sigmas[grid(model.schedule, model.schedule.T, steps)]
        return sample_euler(network, _exploding(model, x_T), visited, disable=True).to(x_T)

    return run


def _denoising_diffusion_pytorch(model: Model) -> Run:
    """`GaussianDiffusion.ddim_sample`, without its clipping of x0_hat, which is another map."""
    from denoising_diffusion_pytorch import denoising_diffusion_pytorch as theirs

    class Network(torch.nn.Module):
        channels = out_dim = model.shape[0]
        self_condition = False

        def forward(self, x: Tensor, t: Tensor, _: None) -> Tensor:
            return model.unet(x, t).sample

    class Unclipped(theirs.GaussianDiffusion):
        def model_predictions(self, x: Tensor, t: Tensor, x_self_cond: None, **_: bool) -> object:
            return super().model_predictions(x, t, x_self_cond)

    objectives = {"epsilon": "pred_noise", "v_prediction": "pred_v", "sample": "pred_x0"}
    diffusion = Unclipped(
        Network(),
        image_size=model.shape[1:],
        timesteps=model.schedule.T,
        objective=objectives[model.prediction_type],
        beta_schedule="linear",
        auto_normalize=False,
    ).to(model.device)
    wanted = model.schedule.alpha_bar[1:].float()
    if not torch.allclose(diffusion.alphas_cumprod.cpu(), wanted, rtol=1e-4):
        raise DiffdemoError("it knows only schedules of its own, and the model has another.")

    def run(x_T: Tensor, steps: int) -> Tensor:
        diffusion.sampling_timesteps = steps
        start = x_T.to(model.device, model.dtype)
        # it draws its own x_T, and its progress bar has no switch
        given = patch.object(torch, "randn", lambda *_, **__: start)
        quiet = patch.object(theirs, "tqdm", lambda pairs, **_: pairs)
        with given, quiet:
            return diffusion.ddim_sample(tuple(x_T.shape)).to(x_T)

    return run


def _sigmas(model: Model) -> Tensor:
    """(T + 1,) noise over signal, sqrt(1 / alpha_bar - 1), by n; 0 at n = 0."""
    return (1 / model.schedule.alpha_bar - 1).sqrt().to(model.device, model.dtype)


def _exploding(model: Model, x_T: Tensor) -> Tensor:
    """x_T / sqrt(alpha_bar(T)): the picture at full strength plus sigma times noise."""
    return (x_T / float(model.schedule.alpha_bar[-1].sqrt())).to(model.device, model.dtype)


OURS = Contender("diffdemo", _ours)
PLAIN = Contender("diffdemo, diffusers' forward", _plain)
DDP = "denoising_diffusion_pytorch"
CONTENDERS = (
    OURS,
    PLAIN,
    Contender("diffusers, one batch", _diffusers),
    Contender("diffusers, seed by seed", _seed_by_seed),
    Contender("smalldiffusion", _smalldiffusion, "smalldiffusion"),
    Contender("azula", _azula, "azula"),
    Contender("k-diffusion", _k_diffusion, "k_diffusion"),
    Contender("denoising-diffusion-pytorch", _denoising_diffusion_pytorch, DDP),
)
