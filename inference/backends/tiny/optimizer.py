"""Muon for the weight matrices and AdamW for the rest, in float32 on a CPU.

torch's own Muon orthogonalises in bfloat16, which a processor without bfloat16 instructions does
eight times slower than float32; this one also handles all matrices of one shape at once.
"""

from collections import defaultdict
from collections.abc import Iterable

import torch

_COEFFICIENTS = (3.4445, -4.7750, 2.0315)
_STEPS = 5
_MOMENTUM = 0.95


class Optimizer:
    """Steps a model's weights at a common fraction of their peak learning rates."""

    def __init__(
        self, model: torch.nn.Module, *, matrix_rate: float, other_rate: float, decay: float = 0.0
    ) -> None:
        matrices: dict[tuple[int, ...], list[torch.nn.Parameter]] = defaultdict(list)
        others = []
        for name, parameter in model.named_parameters():
            if parameter.ndim == 2 and "embed" not in name:
                matrices[tuple(parameter.shape)].append(parameter)
            else:
                others.append(parameter)
        self._groups = list(matrices.values())
        self._momenta = [torch.zeros(len(group), *group[0].shape) for group in self._groups]
        self._matrix_rate, self._other_rate, self._decay = matrix_rate, other_rate, decay
        self._adam = torch.optim.AdamW(others, lr=other_rate, betas=(0.9, 0.98), weight_decay=0.0)
        self._parameters: Iterable[torch.nn.Parameter] = list(model.parameters())

    def step(self, fraction: float) -> None:
        """Apply the gradients at `fraction` of the peak rates, and clear them."""
        with torch.no_grad():
            self._step(fraction)

    def _step(self, fraction: float) -> None:
        torch.nn.utils.clip_grad_norm_(self._parameters, 1.0)
        for group, momentum in zip(self._groups, self._momenta, strict=True):
            self._step_matrices(group, momentum, self._matrix_rate * fraction)
        for settings in self._adam.param_groups:
            settings["lr"] = self._other_rate * fraction
        self._adam.step()
        for parameter in self._parameters:
            parameter.grad = None

    def _step_matrices(
        self, group: list[torch.nn.Parameter], momentum: torch.Tensor, rate: float
    ) -> None:
        gradient = torch.stack([_gradient(parameter) for parameter in group])
        momentum.lerp_(gradient, 1 - _MOMENTUM)
        update = orthogonal(gradient.lerp(momentum, _MOMENTUM))
        rows, columns = group[0].shape
        scale = rate * max(1.0, rows / columns) ** 0.5
        for parameter, change in zip(group, update, strict=True):
            parameter.mul_(1 - rate * self._decay)
            parameter.sub_(change, alpha=scale)


def orthogonal(matrices: torch.Tensor) -> torch.Tensor:
    """Return, for each matrix of a batch, nearly the orthogonal matrix closest to it.

    Source: the Newton-Schulz iteration of Muon (K. Jordan, 2024).
    """
    a, b, c = _COEFFICIENTS
    tall = matrices.shape[-2] > matrices.shape[-1]
    x = matrices.mT if tall else matrices
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(_STEPS):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.mT if tall else x


def _gradient(parameter: torch.nn.Parameter) -> torch.Tensor:
    gradient = parameter.grad
    if gradient is None:
        raise RuntimeError("A weight matrix took no part in the loss; every layer must be used.")
    return gradient
