"""Chat with transformers: many requests in one running batch, joined and left at any step."""

import gc
import logging
import time
from typing import Any

import transformers

from inference import structured, toolcalls
from inference.backends import caching, devices, loading
from inference.backends.callreading import CallReader
from inference.backends.chats import Chat, Shape
from inference.backends.constraints import Compiler, Constraint
from inference.backends.dispatching import Dispatcher
from inference.backends.likelihoods import Likelihoods
from inference.backends.managing import BatchManager, start_manager
from inference.backends.sampling import Recorder
from inference.batching import Admission
from inference.errors import EngineClosed, InferenceError, InputRejected
from inference.fanout import Generated
from inference.ports import Handle, Listener
from inference.prompt_tokenizer import PromptTokenizer
from inference.specs import ModelSpec
from inference.toolcalls import CallForm
from inference.types import ChatRequest, CompletionRequest, Request, Usage

logger = logging.getLogger(__name__)

CAPABILITIES = frozenset(
    {
        *("stream", "stop", "seed", "penalties", "min_tokens"),
        *("structured-output", "tools", "n", "logprobs", "completions"),
    }
)
# Capabilities that need the bytes of tokens; a model with none of them is loaded without.
SPELLED = frozenset({"structured-output", "tools", "logprobs"})


class ChatBackend:
    """One causal language model in this process."""

    def __init__(self, spec: ModelSpec) -> None:
        self._spec = spec
        self._tokenizer: PromptTokenizer | None = None
        self._dispatcher: Dispatcher | None = None
        self._manager: BatchManager | None = None
        self._memory_bytes = 0
        self._compiler: Compiler | None = None
        self._vocabulary = 0
        self._form: CallForm | None = None
        self._tags_are_tokens = False

    @property
    def capabilities(self) -> frozenset[str]:
        """What it can do beyond plain generation."""
        return CAPABILITIES

    def load(self) -> None:
        """Bring the model into memory and start its batch.

        Raises:
            ModelLoadFailed: with a message that a caller may see.
            OutOfMemory: there is no room for the model or its cache.
        """
        loading.guarded(self._spec, self._load)

    def submit(self, request: Request, listener: Listener) -> Handle:
        """Queue a request; whatever is wrong with it reaches on_done."""
        if self._dispatcher is None or self._tokenizer is None:
            return _refused(listener, EngineClosed())
        try:
            chat = self._chat_of(request, listener, self._tokenizer, self._dispatcher)
        except InferenceError as error:
            return _refused(listener, error)
        self._dispatcher.submit(chat)
        return chat

    def close(self, *, timeout_s: float) -> None:
        """End what still runs with EngineClosed, stop both threads, and free the memory."""
        deadline = time.monotonic() + timeout_s
        if self._dispatcher is not None:
            self._dispatcher.close(timeout_s=timeout_s)
        if self._manager is not None:
            self._manager.stop(timeout_s=max(0.1, deadline - time.monotonic()))
        # Handles of ended requests lead here, and must not keep the model in memory.
        self._dispatcher = self._manager = None
        gc.collect()

    def last_step_at(self) -> float:
        """Return when the model last stepped, or now if there is nothing to do."""
        return time.monotonic() if self._dispatcher is None else self._dispatcher.last_step_at()

    def running(self) -> int:
        """Return how many requests have not ended."""
        return 0 if self._dispatcher is None else self._dispatcher.running()

    def memory_bytes(self) -> int:
        """Return what the weights and the key-value cache take."""
        return self._memory_bytes

    def is_healthy(self) -> bool:
        """Tell whether a new request could succeed without loading the model again."""
        return self._dispatcher is not None and self._dispatcher.is_healthy()

    def _load(self) -> None:
        loading.set_threads(self._spec)
        directory = loading.fetch(self._spec)
        tokenizer = loading.open_tokenizer(self._spec, directory)
        model = loading.open_model(self._spec, transformers.AutoModelForCausalLM, directory)
        end_ids = _end_ids(model, tokenizer)
        budget = caching.budget_for(self._spec, model)
        dispatcher = Dispatcher(admission=Admission(budget), end_ids=end_ids)
        self._manager = start_manager(
            model,
            spec=self._spec,
            budget=budget,
            end_ids=end_ids,
            deliver=dispatcher.deliver,
            on_step=dispatcher.stepped,
        )
        dispatcher.start(self._manager)
        self._vocabulary = model.config.vocab_size
        if SPELLED & set(self._spec.capabilities):
            self._compiler = Compiler(
                tokenizer, vocabulary=model.config.vocab_size, end_ids=end_ids
            )
        self._form = tokenizer.call_form(self._spec)
        self._tags_are_tokens = tokenizer.raw.token_to_id("<tool_call>") is not None
        self._tokenizer, self._dispatcher = tokenizer, dispatcher
        self._memory_bytes = devices.size_of(model) + caching.size_of(budget, self._spec, model)
        logger.info(
            "model %s: %s, %s, %d slots, %d cache tokens",
            self._spec.id, model.device, model.dtype, budget.slots, budget.tokens,
        )  # fmt: skip

    def _chat_of(
        self,
        request: Request,
        listener: Listener,
        tokenizer: PromptTokenizer,
        dispatcher: Dispatcher,
    ) -> Chat:
        if isinstance(request, CompletionRequest):
            return self._completion_of(request, listener, tokenizer, dispatcher)
        if not isinstance(request, ChatRequest):
            raise InputRejected(f"Model {self._spec.id} answers chats only.", field="model")
        tools = request.tool_use.tools if request.tool_use else ()
        prompt_ids = tokenizer.chat_ids(request.messages, tools)
        return Chat(
            request,
            listener,
            prompt_ids=self._fitting(prompt_ids, request, field="messages"),
            tokenizer=tokenizer.raw,
            on_cancel=dispatcher.cancel,
            shape=Shape(
                constraint=self._constraint_of(request),
                calls=self._reader_for(request),
                likelihoods=self._likelihoods_for(request),
            ),
        )

    def _completion_of(
        self,
        request: CompletionRequest,
        listener: Listener,
        tokenizer: PromptTokenizer,
        dispatcher: Dispatcher,
    ) -> Chat:
        (prompt,) = request.prompts  # the engine makes one request of each
        prompt_ids = tokenizer.text_ids(prompt) if isinstance(prompt, str) else list(prompt)
        prompt_ids = self._fitting(prompt_ids, request, field="prompt")
        if max(prompt_ids) >= self._vocabulary:
            raise InputRejected(
                f"Model {self._spec.id} has token ids below {self._vocabulary}.", field="prompt"
            )
        spelled = prompt if isinstance(prompt, str) else tokenizer.raw.decode(prompt_ids)
        return Chat(
            request,
            listener,
            prompt_ids=prompt_ids,
            tokenizer=tokenizer.raw,
            on_cancel=dispatcher.cancel,
            shape=Shape(
                likelihoods=self._likelihoods_for(request),
                opening=spelled if request.echo else "",
            ),
        )

    def _fitting(self, prompt_ids: list[int], request: Generated, *, field: str) -> list[int]:
        wanted, limit = request.sampling.max_tokens, self._spec.context_tokens
        if not prompt_ids:
            raise InputRejected(f"The {field} are empty.", field=field)
        if len(prompt_ids) + wanted > limit:
            raise InputRejected(
                f"The prompt has {len(prompt_ids)} tokens and max_tokens is {wanted}; together "
                f"they must not be more than {limit}, the context of model {self._spec.id}.",
                field=field,
            )
        return prompt_ids

    def _constraint_of(self, request: ChatRequest) -> Constraint | None:
        grammar = self._grammar_of(request)
        if grammar is None:
            return None
        if self._compiler is None:
            raise InputRejected(
                f"Model {self._spec.id} is not configured for structured output.",
                field="response_format",
            )
        return self._compiler.constraint(grammar)

    def _grammar_of(self, request: ChatRequest) -> str | None:
        use, schema = request.tool_use, request.schema
        if use is not None and toolcalls.is_constrained(use, schema=schema):
            return toolcalls.grammar(
                use, self._call_form(), schema=schema, tags_are_tokens=self._tags_are_tokens
            )
        return None if schema is None else structured.grammar(schema)

    def _reader_for(self, request: ChatRequest) -> CallReader | None:
        use = request.tool_use
        if use is None:
            return None
        return CallReader(
            self._call_form(),
            names=[tool["function"]["name"] for tool in use.tools],
            is_constrained=toolcalls.is_constrained(use, schema=request.schema),
        )

    def _likelihoods_for(self, request: Generated) -> Likelihoods | None:
        wanted = request.sampling.logprobs
        if wanted is None:
            return None
        calls = isinstance(request, ChatRequest) and request.tool_use is not None
        if self._compiler is None or calls:
            raise InputRejected(
                f"Model {self._spec.id} tells no log-probabilities of this answer.",
                field="logprobs",
            )
        return Likelihoods(Recorder(top=wanted), self._compiler.spell)

    def _call_form(self) -> CallForm:
        if self._form is None:
            raise InputRejected(
                f"The chat template of model {self._spec.id} has no known form of tool calls; the "
                "option tool_calls of the models file names it.",
                field="tools",
            )
        return self._form


class _Ended:
    """The handle of a request that ended before it began."""

    usage = Usage()

    def cancel(self) -> None:
        """Do nothing: it has ended."""


def _refused(listener: Listener, error: InferenceError) -> Handle:
    listener.on_done(error, usage=Usage())
    return _Ended()


def _end_ids(model: Any, tokenizer: PromptTokenizer) -> frozenset[int]:
    """Return the tokens that end a turn: those of the generation config and the tokenizer's own."""
    configured = model.generation_config.eos_token_id
    ids = set(configured if isinstance(configured, list) else [configured])
    ids.add(tokenizer.end_of_text_id)
    return frozenset(number for number in ids if number is not None and number >= 0)
