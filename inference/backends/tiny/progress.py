"""Shows the steps of a training run on the terminal."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import rich.console
import rich.progress

Step = Callable[[int, int, float], None]  # step, steps, loss


@contextmanager
def shown(title: str, *, console: rich.console.Console) -> Iterator[Step]:
    """Give a function to call after each step; it draws a bar, or a line now and then to a file."""
    bar = rich.progress.Progress(
        rich.progress.TextColumn("{task.description}"),
        rich.progress.BarColumn(),
        rich.progress.MofNCompleteColumn(),
        rich.progress.TextColumn("loss {task.fields[loss]:.3f}"),
        rich.progress.TimeElapsedColumn(),
        rich.progress.TimeRemainingColumn(),
        console=console,
    )
    with bar:
        task = bar.add_task(title, total=None, loss=0.0)
        smooth: list[float] = []

        def step(done: int, steps: int, loss: float) -> None:
            smooth.append(loss)
            recent = smooth[-50:]
            bar.update(task, completed=done, total=steps, loss=sum(recent) / len(recent))
            if not console.is_terminal and done % max(1, steps // 20) == 0:
                console.print(f"{title}: {done}/{steps}, loss {sum(recent) / len(recent):.3f}")

        yield step
