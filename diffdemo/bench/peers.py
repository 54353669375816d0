"""Who takes part: ours, with its own forward pass and with diffusers', and five others.

Each of the others has its own denoiser interface and its own deterministic sampler, around our weights. All get the same x_T and visit
the same levels, trailing ones; each sampler is DDIM in its own parametrisation, so all pictures must agree. Everything that does not
depend on x_T is made before the clock runs, and progress bars are off.

References:
    Song, Meng, Ermon, 2021, DDIM, eq. 13 (Euler in sigma = sqrt(1 / alpha_bar - 1)), arXiv 2010.02502.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.util import find_spec
from unittest.mock import patch

import torch
from diffusers import DDIMScheduler
from torch import Tensor

from diffdemo.errors import DiffdemoError
from diffdemo.lab import lane
from diffdemo.models import Model
from diffdemo.schedule import grid

Run = Callable[[Tensor, int], Tensor]  # x_T (B, C, H, W) and the number of network calls → x_0
REQUIREMENTS = ".ci/bench-requirements.txt"


@dataclass(frozen=True)
class Contender:
    """Somebody who can denoise.

    Attributes:
        name: how tables call it.
        prepare: what makes its sampler ready for a model.
        package: which must be installed.
    """

    name: str
    prepare: Callable[[Model], Run]
    package: str = "diffusers"


def prepare(model: Model, only: str = "") -> tuple[dict[str, Run], list[str]]:
    """The samplers of everybody who can take part, ours first, and a line on each who cannot.

    Args:
        model: whose weights all use.
        only: one contender's name; nothing for all.

    Raises:
        DiffdemoError: the model takes a prompt, which the adapters do not pass on.
    """
    if model.kind == "text":
        raise DiffdemoError(f"The model {model.name} takes a prompt; bench times networks without one.")
    runs: dict[str, Run] = {}
    left_out = []
    for contender in CONTENDERS:
        if only and contender.name != only:
            continue
        if not installed(contender):
            left_out.append(f"{contender.name} is left out: it is not installed (pip install -r {REQUIREMENTS}).")
            continue
        try:
            runs[contender.name] = contender.prepare(model)
        except DiffdemoError as error:
            left_out.append(f"{contender.name} is left out: {error}")
    return runs, left_out


def installed(contender: Contender) -> bool:
    """Whether its package is there."""
    return find_spec(contender.package) is not None


def _ours(model: Model) -> Run:
    return lambda x_T, steps: lane.draw(model, x_T, model.schedule.T, range(len(x_T)), steps)


def _plain(model: Model) -> Run:
    """Ours around diffusers' forward pass."""
    return _ours(replace(model, network=model.unet))


def _diffusers(model: Model) -> Run:
    """What diffusers' own documentation shows: a scheduler, its timesteps, one step after the other."""
    scheduler = DDIMScheduler(
        trained_betas=(1 - model.schedule.alpha_bar[1:] / model.schedule.alpha_bar[:-1]).numpy(),
        prediction_type=model.prediction_type, clip_sample=False, timestep_spacing="trailing",
    )  # fmt: skip

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
    network = {"epsilon": scaled, "v_prediction": PredV(scaled), "sample": PredX0(scaled)}[model.prediction_type]()

    def run(x_T: Tensor, steps: int) -> Tensor:
        here = sigmas[grid(model.schedule, model.schedule.T, steps)]
        *_, x = samples(network, here, xt=_exploding(model, x_T), accelerator=True)  # where x_T is given it uses no accelerator
        return x.to(x_T)

    return run


def _azula(model: Model) -> Run:
    """`DDIMSampler`; its times run evenly from 1 to 0, which are the trailing levels where steps divides T."""
    from azula.denoise import Denoiser, DiracPosterior
    from azula.noise import Schedule
    from azula.sample import DDIMSampler

    T, alpha_bar = model.schedule.T, model.schedule.alpha_bar
    alphas, sigmas = (part.to(model.device, model.dtype) for part in (alpha_bar.sqrt(), (1 - alpha_bar).sqrt()))

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
    return lambda x_T, steps: DDIMSampler(network, steps=steps, silent=True)(x_T.to(model.device, model.dtype)).to(x_T)


def _k_diffusion(model: Model) -> Run:
    """`sample_euler` without churn: Euler in sigma."""
    from k_diffusion.external import DiscreteEpsDDPMDenoiser, DiscreteVDDPMDenoiser
    from k_diffusion.sampling import sample_euler

    wrappers = {"epsilon": DiscreteEpsDDPMDenoiser, "v_prediction": DiscreteVDDPMDenoiser}
    if model.prediction_type not in wrappers:
        raise DiffdemoError(f"it has no wrapper for networks that predict {model.prediction_type}.")
    sigmas = _sigmas(model)
    alpha_bar = model.schedule.alpha_bar[1:].to(model.device, model.dtype)
    network = wrappers[model.prediction_type](lambda x, t: model.unet(x, t).sample, alpha_bar, quantize=True)

    def run(x_T: Tensor, steps: int) -> Tensor:
        here = sigmas[grid(model.schedule, model.schedule.T, steps)]
        return sample_euler(network, _exploding(model, x_T), here, disable=True).to(x_T)

    return run


def _denoising_diffusion_pytorch(model: Model) -> Run:
    """`GaussianDiffusion.ddim_sample`. It always clips x0_hat to [-1, 1], which is another map: that alone is turned off here."""
    from denoising_diffusion_pytorch import denoising_diffusion_pytorch as theirs

    class Network(torch.nn.Module):
        channels = out_dim = model.shape[0]
        self_condition = False

        def forward(self, x: Tensor, t: Tensor, _: None) -> Tensor:
            return model.unet(x, t).sample

    class Unclipped(theirs.GaussianDiffusion):
        def model_predictions(self, x: Tensor, t: Tensor, x_self_cond: None, **_: bool) -> object:
            return super().model_predictions(x, t, x_self_cond)

    objective = {"epsilon": "pred_noise", "v_prediction": "pred_v", "sample": "pred_x0"}[model.prediction_type]
    options = {"image_size": model.shape[1:], "timesteps": model.schedule.T, "objective": objective, "beta_schedule": "linear"}
    diffusion = Unclipped(Network(), auto_normalize=False, **options).to(model.device)
    if not torch.allclose(diffusion.alphas_cumprod.cpu(), model.schedule.alpha_bar[1:].float(), rtol=1e-4):
        raise DiffdemoError("it knows only schedules of its own, and the model has another.")

    def run(x_T: Tensor, steps: int) -> Tensor:
        diffusion.sampling_timesteps = steps
        start = x_T.to(model.device, model.dtype)
        # it draws its own x_T, and its progress bar has no switch
        with patch.object(torch, "randn", lambda *_, **__: start), patch.object(theirs, "tqdm", lambda pairs, **_: pairs):
            return diffusion.ddim_sample(tuple(x_T.shape)).to(x_T)

    return run


def _sigmas(model: Model) -> Tensor:
    """(T + 1,) noise over signal, sqrt(1 / alpha_bar - 1), by n; 0 at n = 0."""
    return (1 / model.schedule.alpha_bar - 1).sqrt().to(model.device, model.dtype)


def _exploding(model: Model, x_T: Tensor) -> Tensor:
    """x_T / sqrt(alpha_bar(T)): the picture at full strength plus sigma times noise."""
    return (x_T / float(model.schedule.alpha_bar[-1].sqrt())).to(model.device, model.dtype)


OURS, PLAIN = Contender("diffdemo", _ours), Contender("diffdemo, diffusers' forward", _plain)
CONTENDERS = (
    OURS,
    PLAIN,
    Contender("diffusers, one batch", _diffusers),
    Contender("diffusers, seed by seed", _seed_by_seed),
    Contender("smalldiffusion", _smalldiffusion, "smalldiffusion"),
    Contender("azula", _azula, "azula"),
    Contender("k-diffusion", _k_diffusion, "k_diffusion"),
    Contender("denoising-diffusion-pytorch", _denoising_diffusion_pytorch, "denoising_diffusion_pytorch"),
)
