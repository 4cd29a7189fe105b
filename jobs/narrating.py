"""What the readers of a running job are told: stream entries, in one order over all its attempts.

An attempt after the first makes the answer again. What readers have of it already is compared and
skipped, so that they never get a character twice, and never one that does not belong to the rest.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from inference import scripts
from inference.scripts import Place
from jobs.claims import Claimed
from jobs.events import OPENINGS, Entry, EntryType
from jobs.states import Mode
from jobs.stream import Write, Writer
from jobs.told import Token


class Narrator:
    """The entries of one attempt. One engine thread at a time calls it.

    Args:
        claimed: The claim.
        earlier: The entries that earlier attempts have delivered; None when they cannot be read,
            and then this attempt leaves the stream alone but for its end.
        writer: Where entries go.
    """

    def __init__(
        self, claimed: Claimed, *, earlier: Sequence[Entry] | None, writer: Writer
    ) -> None:
        self._claimed = claimed
        self._writer = writer
        self._is_writing = earlier is not None
        openings = [entry for entry in earlier or () if entry.type in OPENINGS]
        self.first_seq = openings[-1].seq if openings else 1
        told = [
            entry
            for entry in earlier or ()
            if entry.type is EntryType.DELTA and entry.seq > self.first_seq
        ]
        self._told = "".join(entry.text for entry in told)  # delivered by earlier attempts
        self._unverified = self._told  # the part of it that this attempt has not produced again yet
        self._tokens: list[Token] = []  # of this attempt, in order
        self._next_token = 0  # of them, to be told
        self._gathered = ""  # text that the readers have yet to be told
        self._length = 0
        self._ends: list[int] = []  # of the deltas, in characters
        self._is_retold = True  # by the result, with no mark more and none less
        self._place = Place() if claimed.is_scripted else None
        self._held: list[Write] | None = None  # what is written with the end
        self._notes = sum(1 for entry in earlier or () if entry.type is EntryType.PROGRESS)
        for entry in told:
            self._pass(entry.text)
        if not openings:
            self._append(EntryType.STARTED, seq=1)

    @property
    def last_seq(self) -> int:
        """The number of the newest entry. Text has deltas and media has progress, never both."""
        return self.first_seq + len(self._ends) + self._notes

    @property
    def seams(self) -> list[int] | None:
        """Where the deltas end in the script that the result tells; None where nobody can say.

        There are none without text. A text that goes on behind a call is one with the text before it
        in a result. And what earlier attempts have told cannot always be read.
        """
        is_known = self._is_writing and self._is_retold
        return list(self._ends) if is_known and self._ends else None

    def take(self, text: str, tokens: Iterable[Token] = ()) -> bool:
        """Take more of the answer's script; tell whether it still agrees with what readers have."""
        self._tokens += tokens
        if self._unverified:
            skipped = self._skip_delivered(text)
            if skipped is None:
                return False
            text = skipped
        self._gathered += text
        return True

    def hold(self) -> None:
        """Write what is still told together with the end, in one message.

        Whoever reads in between has the end from the row first, and of a completed job the rest too,
        by its ``seams``.
        """
        self._held = []

    def flush(self) -> None:
        """Tell the readers what was taken."""
        text, self._gathered = self._gathered, ""
        self._deliver(text)

    def finish(self, script: str) -> bool:
        """Tell the readers what they lack of a finished answer; tell whether it agrees.

        That is what came after a stop was asked for, in the step that finished the answer anyway.
        """
        if self._unverified and not script.startswith(self._told) and self._diverge() is None:
            return False
        self._unverified = ""
        self._deliver(script[self._length :])
        self._is_retold = self._length == len(script)
        return True

    def progress(self, percent: int) -> None:
        """Tell the readers how far a picture, a video or a recording has come."""
        self._notes += 1
        self._append(EntryType.PROGRESS, text=str(percent), seq=self.last_seq)

    def end(self, entry: Entry, *, outcome: str) -> None:
        """Tell the readers that the terminal state has been committed."""
        held, self._held = self._held or [], None
        self._writer.append(*held, self._written(entry, last=True, outcome=outcome))

    def _skip_delivered(self, text: str) -> str | None:
        known = self._unverified
        if known.startswith(text):
            self._unverified = known[len(text) :]
            return ""
        if text.startswith(known):
            self._unverified = ""
            return text[len(known) :]
        return self._diverge(text)

    def _diverge(self, text: str = "") -> str | None:
        """This attempt answers differently from what readers have: begin the stream again, if may be.

        A streaming caller cannot take text back, so its job fails visibly: None. Others read the
        result, so theirs goes on, and the stream says that it starts over.
        """
        if self._claimed.mode is Mode.STREAM:
            return None
        verified = self._told[: len(self._told) - len(self._unverified)]
        self.first_seq += len(self._ends) + 1
        self._ends, self._length, self._unverified = [], 0, ""
        self._place = Place() if self._place is not None else None
        self._next_token = 0
        self._append(EntryType.RESTARTED, seq=self.first_seq)
        return verified + text

    def _deliver(self, text: str) -> None:
        if text:
            for part in scripts.parts(text) if self._place is not None else (text,):
                place, start = self._place, self._length
                self._pass(part)
                logprobs = self._logprobs_behind(start) if self._claimed.tells_logprobs else None
                self._tell(
                    Entry(
                        seq=self.last_seq,
                        type=EntryType.DELTA,
                        text=part,
                        place=place,
                        logprobs=logprobs,
                    )
                )

    def _pass(self, text: str) -> None:
        """Move behind a delta."""
        self._length += len(text)
        self._ends.append(self._length)
        if self._place is not None:
            self._place = scripts.advance(self._place, text)

    def _logprobs_behind(self, start: int) -> list[Mapping[str, Any]]:
        """Return what is told of the tokens that are complete by now and were not at ``start``."""
        found = []
        while self._next_token < len(self._tokens):
            token = self._tokens[self._next_token]
            if token.end > self._length:
                break
            if token.end > start:  # else an earlier attempt has told it
                found.append(token.body)
            self._next_token += 1
        return found

    def _append(self, kind: EntryType, *, seq: int, text: str = "") -> None:
        self._tell(Entry(seq=seq, type=kind, text=text))

    def _tell(self, entry: Entry) -> None:
        if not self._is_writing:
            return
        write = self._written(entry)
        if self._held is None:
            self._writer.append(write)
        else:
            self._held.append(write)

    def _written(self, entry: Entry, *, last: bool = False, outcome: str = "") -> Write:
        claimed = self._claimed
        return Write(
            job_id=claimed.job_id,
            attempt=claimed.attempt,
            entry=entry,
            # Who waits for a whole answer is told of its end alone; others watch the job's channel.
            reply_to=claimed.reply_to if last or claimed.mode is Mode.STREAM else "",
            last=last,
            outcome=outcome,
        )
