"""A queue is ready once its models have been tried, and stays so."""

from jobs.warmup import Warmup


class Loader:
    def __init__(self, *loading: str) -> None:
        self.now = set(loading)

    def loading(self) -> frozenset[str]:
        return frozenset(self.now)


def test_a_queue_waits_for_all_of_its_models() -> None:
    loader = Loader("a", "b", "c")
    warmup = Warmup(loader, {"chat": ["a", "b"], "embedding": ["c"], "image": []})
    assert warmup.queues() == {"chat", "embedding"}

    loader.now = {"b", "c"}
    assert warmup.queues() == {"chat", "embedding"}
    loader.now = {"c"}
    assert warmup.queues() == {"embedding"}
    loader.now = set()
    assert warmup.queues() == frozenset()


def test_a_model_that_is_loaded_again_makes_no_queue_unready() -> None:
    loader = Loader("a")
    warmup = Warmup(loader, {"chat": ["a"]})
    loader.now = set()
    assert warmup.queues() == frozenset()

    loader.now = {"a"}

    assert warmup.queues() == frozenset()
