"""The generating thread: the only one that computes answers.

Requests that come within a short window start together in one batch per base. Batches take turns, one token each, so a
long answer holds nobody up, and a base that is still being loaded keeps no other waiting. When a batch fails, its rows are
tried again one by one from where they stood: only the one that is to blame ends with an error.
"""

import math
import threading
import time
import traceback
from concurrent.futures import Future, wait
from dataclasses import dataclass

from engine.errors import BadInput, TryLater
from engine.generation import batch as batches
from engine.generation.answers import Released
from engine.generation.constraint import Grammar
from engine.generation.decoding import Batch, Row
from engine.generation.problems import NoMemory, Problem, TooLong, is_out_of_memory, worded
from engine.generation.reading import Reader
from engine.generation.shelf import MEMORY, SPARE, Shelf, free_memory
from engine.generation.tickets import Ticket
from engine.generation.weights import Weights

CLOSING = 5.0  # seconds that the last step may take
WINDOW = 0.002  # seconds that a request waits for others to start with
SOON = 0.05  # seconds that those who start wait for prompts that are still being read
FORESIGHT = 2048  # tokens of an answer that memory is counted for before it begins; few come to more
PADDING = 2.0  # how much wider batches may become by going on as one
MOST_ROWS = 32  # that speak at once; more wait for their turn
PATIENCE = 10.0  # seconds that a request waits for memory before those that came later wait for it
ENDING = Problem(503, "try_later", "The model host is ending. Ask again in a moment.")
KEPT_FREE = 8  # of these, for whoever asks while many answers of one set are being given


@dataclass
class Speech:
    """A batch and, row for row, the answers it gives."""

    weights: Weights
    batch: Batch
    tickets: list[Ticket]

    def keep(self, places: list[int]) -> None:
        """Go on with these rows only."""
        if len(places) < len(self.tickets):
            self.tickets = [self.tickets[i] for i in places]
            if places:
                self.batch.keep(places)


class Speaker:
    """Takes tickets and sees each of them to its end."""

    def __init__(self, budget: int | None = None) -> None:
        self._changed = threading.Condition()
        self._waiting: list[Ticket] = []
        self._releases: list[Future[Released]] = []
        self._closed = False
        self._live: list[Speech] = []
        self._asked: list[Ticket] = []  # those that are being admitted, neither waiting nor yet speaking
        self.shelf = Shelf(self._wake, budget)
        self._reader = Reader(self._wake)
        self._thread = threading.Thread(target=self._run, name="generating", daemon=True)
        self._thread.start()

    def submit(self, tickets: list[Ticket]) -> None:
        """Answer these, all starting together where they share a base. Returns at once."""
        with self._changed:
            if not self._closed:
                self._waiting += tickets
                self._changed.notify()
                return
        for ticket in tickets:
            ticket.fail(ENDING)

    def release(self) -> "Future[Released]":
        """Give memory back: bases that do not speak at once, the others when their answers end."""
        future: Future[Released] = Future()
        with self._changed:
            self._releases.append(future)
            self._changed.notify()
        if self._closed:
            self._end_all()
        return future

    def count(self) -> dict[str, int]:
        """How many answers speak and how many wait."""
        return {"live": sum(len(s.tickets) for s in list(self._live)), "waiting": len(self._waiting) + len(self._asked)}

    def end(self) -> None:
        """End every answer and let nobody ask any more. Returns at once, however long the step takes that is being computed."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._end_all()

    def close(self) -> None:
        """End every answer and the thread."""
        self.end()
        self._thread.join(CLOSING)
        self.shelf.close()
        self._reader.close()

    def _end_all(self) -> None:
        for ticket in self._unended():
            ticket.fail(ENDING)
        with self._changed:
            releases, self._releases = self._releases, []
        for future in releases:
            if future.set_running_or_notify_cancel():
                future.set_exception(TryLater(ENDING.message))

    def _unended(self) -> list[Ticket]:
        speaking = (ticket for speech in self._live for ticket in speech.tickets)
        return [t for t in dict.fromkeys([*self._asked, *self._waiting, *speaking]) if not t.answer.ended]

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify()

    def _run(self) -> None:
        while self._sleep():
            try:
                self._give_back()
                self._admit()
                for speech in list(self._live):
                    self._step(speech)
                self._live = [s for s in self._live if s.tickets]
                self._join()
                self.shelf.tidy(self._busy)
            except Exception as problem:  # a fault of ours: those it touches are told, and the thread lives on
                told = worded(problem)
                with self._changed:
                    lost, self._waiting, self._asked, self._live = self._unended(), [], [], []
                for ticket in lost:
                    ticket.fail(told)
        self._end_all()  # once more: the last step may have brought a token

    def _sleep(self) -> bool:
        """Wait until there is something to do; False when it is over."""
        with self._changed:
            if not self._closed and not self._live and not self._releases:
                if not self._waiting and not self.shelf.loading:
                    self._changed.wait()
                elif all(t.answer.waiting_for for t in self._waiting):
                    self._changed.wait(0.2)  # for weights that are being loaded; a loader that is done wakes us
            if not self._closed and not self._live and self._waiting:
                left = self._waiting[0].at + WINDOW - time.monotonic()
                if left > 0:
                    self._changed.wait_for(lambda: self._closed, left)
            return not self._closed

    @property
    def _busy(self) -> set[Weights]:
        return {speech.weights for speech in self._live}

    def _give_back(self) -> None:
        with self._changed:
            releases, self._releases = self._releases, []
        for future in releases:
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(Released(*self.shelf.release(self._busy)))
            except Exception as problem:
                future.set_exception(problem)

    def _admit(self) -> None:
        """Start what waits, as far as weights are there and rows are free."""
        busy = self._busy
        self.shelf.begin_round()
        with self._changed:
            if not self._waiting or self._waiting[0].at + WINDOW > time.monotonic():
                return
            self._asked, self._waiting = sorted(self._waiting, key=lambda ticket: ticket.one_of_many), []
        poor = [t.at for t in self._asked if t.answer.waiting_for.startswith(MEMORY) and time.monotonic() - t.at > PATIENCE]
        latest = min(poor, default=math.inf)  # who asked after one that has waited for memory for long lets it go first
        rest: list[Ticket] = []
        found: dict[tuple[str, str], Weights | str | Exception] = {}
        groups: dict[tuple[Weights, bool], list[Ticket]] = {}
        free = MOST_ROWS - sum(len(s.tickets) for s in self._live)
        lonely = any(t.alone for s in self._live for t in s.tickets)
        for ticket in self._asked:
            if ticket.cancelled:
                ticket.finish("stopped")
                continue
            if ticket.at > latest:
                ticket.wait_for("the answers before it")
                rest.append(ticket)
                continue
            place = ticket.voice.place
            if place not in found:
                found[place] = self._take(ticket, busy)
            weights = found[place]
            if isinstance(weights, Weights):
                busy.add(weights)  # the next one may need room, and these are about to speak
            if isinstance(weights, Exception):
                ticket.fail(worded(weights))
            elif isinstance(weights, str) or free <= KEPT_FREE * ticket.one_of_many or (ticket.alone and lonely):
                ticket.wait_for(weights if isinstance(weights, str) else "the answers before it")
                rest.append(ticket)
            elif ticket.alone:
                free, lonely = free - 1, True
                self._begin(weights, self._those_read(weights, [ticket], rest), rest)
            else:
                free -= 1
                groups.setdefault((weights, ticket.prompt.echo), []).append(ticket)
        for (weights, _), tickets in groups.items():
            self._begin(weights, self._those_read(weights, tickets, rest), rest)
        with self._changed:
            self._asked, self._waiting = [], rest + self._waiting

    def _take(self, ticket: Ticket, busy: set[Weights]) -> Weights | str | Exception:
        try:
            return self.shelf.take(ticket.voice, busy)
        except Exception as problem:
            return problem

    def _those_read(self, weights: Weights, tickets: list[Ticket], rest: list[Ticket]) -> list[Ticket]:
        """The tickets whose prompts are tokens now; those that take longer than a moment go to ``rest``."""
        fresh, beside = [t for t in tickets if t.reading is None and t.row is None], self._adapters(weights)
        for ticket in fresh:
            try:
                attached = weights.attach(ticket.voice, beside)
            except Exception as problem:
                ticket.fail(worded(problem))
                continue
            beside.add(attached.name)
            ticket.read_for = attached.fingerprint
            ticket.reading = self._reader.read(attached.tokenizer, ticket.prompt)
        asked = [ticket for ticket in tickets if not ticket.answer.ended]
        if fresh:
            wait([ticket.reading for ticket in asked if ticket.reading is not None], SOON if not self._live else SOON / 10)
        late = [ticket for ticket in asked if ticket.reading is not None and not ticket.reading.done()]
        for ticket in late:
            ticket.wait_for("its prompt to be read")
        rest += late
        return [ticket for ticket in asked if ticket not in late]

    def _adapters(self, weights: Weights) -> set[str]:
        """The adapters that speak on these weights now."""
        return {row.adapter for speech in self._live if speech.weights is weights for row in speech.batch.rows}

    def _begin(self, weights: Weights, tickets: list[Ticket], rest: list[Ticket]) -> None:
        """Start one batch with those whose prompts can be read; what does not fit into memory now goes to ``rest``."""
        rows: list[Row] = []
        ready: list[Ticket] = []
        room, widest, known = free_memory() * (1 - SPARE), 0, 0
        for ticket in tickets:
            try:
                row = self._read(weights, ticket, {row.adapter for row in rows})
                length, held = len(row.ids) + min(ticket.room, FORESIGHT), weights.prefixes.find(row.adapter, row.ids)[0]
                # what is known of one row stands beside padding in the others
                if weights.cache_bytes(max(widest, length - held) + max(known, held)) * (len(rows) + 1) > room:
                    weights.prefixes.forget()
                    room = free_memory() * (1 - SPARE)
                    if not rows and not self._live and weights.cache_bytes(length) > room:
                        raise NoMemory(
                            f"This answer needs {weights.cache_bytes(length) / 1e9:.1f} GB for its {length:,} tokens and "
                            f"{room / 1e9:.1f} GB are free. Ask with a shorter prompt or fewer tokens."
                        )
                    ticket.wait_for(MEMORY)
                    rest.append(ticket)
                    continue
            except Exception as problem:
                ticket.fail(worded(problem))
                continue
            widest, known = max(widest, length - held), max(known, held)
            rows.append(row)
            ready.append(ticket)
        if not rows:
            return
        try:
            batch = Batch(weights, rows)
            for ticket in ready:
                ticket.begin(weights.prefixes.kept)
            self._live.append(Speech(weights, batch, ready))
        except Exception as problem:
            self._isolate(ready, problem)

    def _read(self, weights: Weights, ticket: Ticket, beside: set[str]) -> Row:
        """The ticket as a row, ``beside`` other adapters. One that is tried again goes on after what it has said, if the
        weights are still the same."""
        attached = weights.attach(ticket.voice, self._adapters(weights) | beside)
        if attached.fingerprint != ticket.read_for:
            raise TryLater(f"The weights of {ticket.voice.model.name} were changed on the disk during the answer. Ask again.")
        if ticket.row is not None:
            ticket.row.adapter = attached.name
            return ticket.row
        assert ticket.reading is not None
        prompt = ticket.reading.result()
        if max(prompt, default=0) >= weights.vocabulary:
            if ticket.prompt.ids is not None:
                raise BadInput(
                    f"There is no token {max(prompt)}: {ticket.voice.model.name} knows {weights.vocabulary:,}, from 0 on."
                )
            raise BadInput(
                f"The tokenizer of {ticket.voice.model.name} has a token {max(prompt)}, and {weights.name} knows {weights.vocabulary}. "
                "They do not belong together: register the model again with its own tokenizer."
            )
        context = batches.context(weights.model) or 1 << 40
        if len(prompt) >= context:
            raise TooLong(
                f"The prompt has {len(prompt):,} tokens and {ticket.voice.model.name} takes {context:,} with its answer. "
                "Shorten the prompt, or ask a model with a longer context."
            )
        sampling = ticket.answer.sampling
        room = min(sampling.max_tokens, context - len(prompt))
        ends = batches.end_tokens(weights.model, attached.tokenizer)
        held = None
        if ticket.prompt.constrain is not None:
            held = Grammar.of(ticket.prompt.constrain, attached.tokenizer, weights.vocabulary).begin(room, ends)
        row = Row(prompt, attached.name, sampling, ticket.prompt.scores, ticket.prompt.echo, held)
        ticket.prepare(attached, weights.dtype, row, room, ends)
        return row

    def _step(self, speech: Speech) -> None:
        """One token for each row, or the next part of the prompts. Rows that have ended leave."""
        try:
            self._drop_cancelled(speech)
            tokens = speech.batch.step() if speech.tickets else None
            if tokens is None:
                return
            for ticket, token in zip(speech.tickets, tokens, strict=True):
                self._hand(ticket, token)
            for place, ticket in enumerate(speech.tickets):
                if ticket.answer.status == "done":
                    self._remember(speech, place)
            speech.keep([i for i, ticket in enumerate(speech.tickets) if not ticket.answer.ended])
        except Exception as problem:
            tickets, speech.tickets = speech.tickets, []
            self._isolate([t for t in tickets if not t.answer.ended], problem)

    def _join(self) -> None:
        """Let batches of the same weights go on as one, where that is cheaper than a step for each."""
        first: dict[Weights, Speech] = {}
        for speech in self._live:
            if not speech.weights.prefixes.kept or not speech.batch.speaks or any(t.alone for t in speech.tickets):
                continue
            into = first.setdefault(speech.weights, speech)
            if into is speech:
                continue
            rows, width = len(into.tickets) + len(speech.tickets), max(into.batch.width, speech.batch.width)
            apart = len(into.tickets) * into.batch.width + len(speech.tickets) * speech.batch.width
            fits = speech.weights.cache_bytes(width + FORESIGHT) * rows < free_memory() * (1 - SPARE)
            if rows * width <= PADDING * apart and fits:
                try:
                    into.batch.join(speech.batch)
                except Exception as problem:
                    if not is_out_of_memory(problem):
                        raise
                    continue  # nothing was changed: they go on apart
                into.tickets, speech.tickets = into.tickets + speech.tickets, []
        self._live = [s for s in self._live if s.tickets]

    def _hand(self, ticket: Ticket, token: int | None) -> None:
        try:
            ticket.take(token)
        except Exception as problem:  # its text cannot be written; its neighbours' can
            ticket.fail(worded(problem))

    def _drop_cancelled(self, speech: Speech) -> None:
        # each is looked at once: a stop may come at any moment
        stopped = [ticket.cancelled for ticket in speech.tickets]
        for place in [i for i, stop in enumerate(stopped) if stop]:
            self._remember(speech, place)
            speech.tickets[place].finish("stopped")
        speech.keep([i for i, stop in enumerate(stopped) if not stop])

    def _remember(self, speech: Speech, place: int) -> None:
        """Keep what a row has read and said for its next turn; where memory does not suffice, do without."""
        try:
            speech.batch.remember(place, free_memory())
        except Exception as problem:
            speech.weights.prefixes.forget()
            if not is_out_of_memory(problem):
                raise

    def _isolate(self, tickets: list[Ticket], problem: Exception) -> None:
        """After a failed batch: each row once more by itself; the one that fails again is told."""
        if is_out_of_memory(problem):
            self._empty_cache()
        again = [ticket for ticket in tickets if not ticket.alone]
        for ticket in tickets:
            if ticket.alone:
                ticket.fail(worded(problem))
            ticket.alone = True
        if again:
            traceback.print_exception(problem)
        with self._changed:
            self._waiting = again + self._waiting

    def _empty_cache(self) -> None:
        import torch

        if torch.cuda.is_available():
            torch.cuda.empty_cache()
