"""Sets up the library's continuous-batching manager for our needs, and wraps it as a port."""

import logging
from collections.abc import Callable, Collection
from typing import Any

import transformers
from transformers.generation.continuous_batching.continuous_api import OutputRouter

from inference.backends import caching, sampling
from inference.backends.chats import Chat
from inference.batching import Budget
from inference.specs import ModelSpec

# Its warnings quote token ids of prompts, and a log line must never hold a prompt.
logging.getLogger("ContinuousBatchingLogger").setLevel(logging.ERROR)


class BatchManager:
    """The library's manager behind the dispatcher's port."""

    def __init__(self, manager: Any, *, end_ids: Collection[int]) -> None:
        self._manager = manager
        self._end_ids = sorted(end_ids)

    def add(self, key: str, chat: Chat) -> bool:
        """Let a request join the batch; False if the manager takes no more."""
        if not self.is_alive():  # it would log the prompt's tokens with its refusal
            return False
        wanted = chat.request.sampling
        choice = sampling.Choice(
            seed=chat.seed,
            temperature=float(wanted.temperature),
            top_p=float(wanted.top_p),
            min_tokens=wanted.min_tokens,
            presence_penalty=float(wanted.presence_penalty),
            frequency_penalty=float(wanted.frequency_penalty),
            constraint=chat.constraint,
            recorder=chat.recorder,
        )
        added = self._manager.add_request(
            chat.prompt_ids,
            request_id=key,
            max_new_tokens=wanted.max_tokens,
            streaming=True,
            eos_token_id=self._end_ids,
            **{sampling.ARGUMENT: choice},
        )
        return added is not None

    def cancel(self, key: str) -> None:
        """Take a request out of the batch; it reports nothing more."""
        self._manager.cancel_request(key)

    def is_alive(self) -> bool:
        """Tell whether the manager's thread runs."""
        status = self._manager.background_thread_status
        return status.fatal_error is None and bool(self._manager.is_running())

    def stop(self, *, timeout_s: float) -> None:
        """End the manager's thread within the time; what still runs there is dropped."""
        self._manager.stop(block=True, timeout=timeout_s, hard_stop=True)


def start_manager(
    model: Any,
    *,
    spec: ModelSpec,
    budget: Budget,
    end_ids: Collection[int],
    deliver: Callable[[list[Any]], None],
    on_step: Callable[[], None],
) -> BatchManager:
    """Start the manager of a loaded model; the cache is allocated before this returns.

    Call it on a daemon thread: the manager's own thread inherits that, and so a process that ends
    without close() is not held up by it.
    """
    manager = model.init_continuous_batching(
        generation_config=transformers.GenerationConfig(
            do_sample=False,  # argmax of what the RequestSampler lets through
            eos_token_id=sorted(end_ids) or -1,
        ),
        continuous_batching_config=_config(spec, budget, caching.batch_tokens(spec, model)),
    )
    manager.output_router = _Router(deliver)
    manager.logit_processor = sampling.processors(
        sampling.RequestSampler(end_ids=end_ids, on_step=on_step)
    )
    manager.warmup()  # allocates the cache here, where a lack of memory is a failed load
    manager.start()
    return BatchManager(manager, end_ids=end_ids)


def _config(
    spec: ModelSpec, budget: Budget, batch_tokens: int
) -> transformers.ContinuousBatchingConfig:
    return transformers.ContinuousBatchingConfig(
        page_size=budget.page_tokens,
        num_blocks=budget.tokens // budget.page_tokens,
        max_batch_tokens=batch_tokens,
        max_requests_per_batch=budget.slots,
        max_memory_percent=0.95,
        # Our admission reserves the whole cache of a request, so there is nothing to keep free.
        safety_margin=0.0,
        # Off, unless asked for: how fast a shared prefix is read tells one caller what another
        # one sent, and it lets the company of a request change the last bits of its logits.
        allow_block_sharing=bool(spec.options.get("share_prefixes", False)),
        # The RequestSampler keeps state between the two halves of a step.
        use_async_batching=False,
        use_cuda_graph=False,
        # It would look for kernels on the hub; option `attn` names another implementation.
        auto_switch_to_flash=False,
    )


class _Router(OutputRouter):  # type: ignore[misc]
    """Hands each step's outputs on in one piece."""

    def __init__(self, deliver: Callable[[list[Any]], None]) -> None:
        super().__init__()
        self._deliver = deliver

    def deliver(self, output: Any) -> None:
        """Hand one output on."""
        self._deliver([output])

    def deliver_batch(self, outputs: list[Any]) -> None:
        """Hand the outputs of one step on."""
        self._deliver(outputs)
