"""One evaluation: rounds of prompts for whoever is undecided yet, until all is decided, asked, or spent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from random import Random
from typing import Final

from lightrouter.answers.scoring import Scorer
from lightrouter.evaluator import judge
from lightrouter.evaluator.calls import Call, CallRunner, Subject
from lightrouter.evaluator.decision import Evidence, Finding, Rules, weigh
from lightrouter.evaluator.diversity import measure
from lightrouter.evaluator.journal import Journal
from lightrouter.evaluator.scores import Scores
from lightrouter.evaluator.validation import Item, ValidationSet
from lightrouter.recording.prompts import Judged
from lightrouter.v1.chat_pb2 import Sampling

# Prompts of a candidate between two looks. Looks cost no certainty; fewer prompts would leave models idle.
_ROUND: Final = 8
# Answers without a verdict after which a judge is given up, where they are more than those with one.
_MOST_UNREAD: Final = 5


class End(StrEnum):
    """Why an evaluation ended."""

    DECIDED = "decided"
    """Every candidate is decided."""
    ASKED = "asked"
    """Those that are not decided were asked the whole set."""
    UNREACHED = "unreached"
    """No candidate answers."""
    SPENT = "spent"
    """The budget or the time does not cover the next call."""
    UNREADABLE = "unreadable"
    """A judge gives no acceptances that can be read."""


@dataclass(frozen=True, slots=True)
class Asked:
    """How prompts are asked.

    Attributes:
        seed: Seed of the prompts' order and of the models' sampling, 0 to 2^31 - 1.
        max_output_tokens: Most tokens of an answer, where the prompt does not say.
    """

    seed: int
    max_output_tokens: int = 1024


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an evaluation found.

    Attributes:
        scores: By candidate.
        evidence: What they say; None where nobody has a score.
        asked_all: The candidates that were asked the whole set.
        unreached: The candidates whose provider is down; nothing is said of them.
        end: Why it ended.
        judge_fault: What is wrong with the judge, in one sentence; empty where nothing is.
    """

    scores: Mapping[str, Scores]
    evidence: Evidence | None
    asked_all: frozenset[str]
    unreached: frozenset[str]
    end: End
    judge_fault: str = ""


@dataclass(slots=True)
class _Bench:
    """What came of a judge so far.

    Attributes:
        read: Answers that it gave a verdict on.
        unread: Answers that it gave none on.
        why: Why it gave none on the last of them.
    """

    read: int = 0
    unread: int = 0
    why: str = ""

    @property
    def useless(self) -> bool:
        """Whether it is not worth asking on."""
        return self.unread >= _MOST_UNREAD and self.unread > self.read


class Evaluation:
    """One evaluation of some candidates on a validation set."""

    def __init__(
        self,
        subjects: Sequence[Subject],
        judges: Sequence[Subject],
        prompts: ValidationSet,
        rules: Rules,
        asked: Asked,
        asker: CallRunner,
        journal: Journal,
    ) -> None:
        """Prepares an evaluation.

        Args:
            subjects: The candidates; those that come first are asked first where the budget is short.
            judges: Whom judged prompts are put to, the best first: nobody judges its own answers.
            prompts: The validation set.
            rules: When a candidate is decided.
            asked: How prompts are asked.
            asker: Makes the calls.
            journal: Has what they brought.
        """
        self._subjects = {subject.name: subject for subject in subjects}
        self._judges = judges
        self._rules = rules
        self._asked = asked
        self._asker = asker
        self._journal = journal
        self._items = list(prompts.items)
        Random(asked.seed).shuffle(self._items)  # noqa: S311 - reproducible by intent, and no secret
        self._scores = {name: Scores() for name in self._subjects}
        self._benches: dict[str, _Bench] = {}
        if journal.paused:
            self._forget_outages()

    async def run(self) -> Outcome:
        """Asks until it ends.

        The same seed, set and answers lead to the same outcome, in whatever order calls end, and after a kill.
        """
        while True:
            evidence = self._weighed()
            undecided = self._undecided(evidence)
            asking = self._asking(evidence, undecided)
            if not asking:
                end = End.ASKED if undecided else End.DECIDED if evidence else End.UNREACHED
                return self._outcome(evidence, end)
            whole = await self._round(asking)
            if any(bench.useless for bench in self._benches.values()):
                return self._outcome(self._weighed(), End.UNREADABLE)
            if not whole:
                return self._outcome(self._weighed(), End.SPENT)

    def _forget_outages(self) -> None:
        """Has the prompts asked again at which a provider was down before the pause."""
        for subject in self._subjects.values():
            found = Scores()
            for item in self._items:
                if (done := self._journal.done.get(_answer_key(subject, item))) is None:
                    break
                found.add(item, done, None)
            if found.down:
                self._journal.forget(_answer_key(subject, item) for item in found.held)

    def _weighed(self) -> Evidence | None:
        tallies = {name: scores.tally for name, scores in self._scores.items() if not scores.down}
        return weigh(tallies, self._rules, len(self._subjects)) if tallies else None

    def _undecided(self, evidence: Evidence | None) -> list[str]:
        return [name for name in evidence.tallies if evidence.finding(name) is Finding.OPEN] if evidence else []

    def _asking(self, evidence: Evidence | None, undecided: Sequence[str]) -> list[str]:
        """Returns whom to ask next: the undecided, and whose scores they are compared with; then who may be alike."""
        if evidence is None:
            return []
        wanted = {*undecided, *evidence.need.references} if undecided else self._alike(evidence)
        return [name for name in self._subjects if name in wanted and self._left(name)]

    def _alike(self, evidence: Evidence) -> set[str]:
        """Returns the candidates of which it is to be found out, and not yet known, whether they differ."""
        if not self._rules.until_diverse:
            return set()
        names = {name for name in evidence.tallies if evidence.finding(name) is not Finding.WORSE}
        found = measure({name: self._scores[name].by_prompt for name in names}, self._rules.least_gain)
        if len(names) < 2 or (found and found.decided):
            return set()
        fewest = min(self._scores[name].asked for name in names)
        # Only prompts that all were asked say something.
        return {name for name in names if self._scores[name].asked == fewest}

    def _left(self, name: str) -> list[Item]:
        return self._items[self._scores[name].asked :]

    @property
    def _size(self) -> int:
        """How many prompts of a candidate are asked before the next look: few until a judge has been read."""
        proven = not self._judges or any(bench.read for bench in self._benches.values())
        return _ROUND if proven else 1

    async def _round(self, names: Sequence[str]) -> bool:
        """Asks each of these the next prompts; returns whether all calls were made."""
        pairs = [(self._subjects[name], item) for name in names for item in self._left(name)[: self._size]]
        whole = await self._asker.ask([self._answer(subject, item) for subject, item in pairs])
        judged = [pair for pair in pairs if isinstance(pair[1].task, Judged)]
        for attempt in range(judge.ATTEMPTS):
            calls = [call for subject, item in judged for call in self._verdicts(subject, item, attempt)]
            whole = await self._asker.ask(calls) and whole
        for name in names:
            self._take([(subject, item) for subject, item in pairs if subject.name == name])
        return whole

    def _take(self, pairs: Sequence[tuple[Subject, Item]]) -> None:
        """Adds the scores of a candidate's prompts, up to the first that is not through."""
        for subject, item in pairs:
            done = self._journal.done.get(_answer_key(subject, item))
            if done is None or not (done.failure or self._is_judged(subject, item)):
                return
            scores = self._scores[subject.name]
            score = done.score if done.failure else self._score(subject, item)
            scores.add(item, done, score)
            if not done.failure and isinstance(item.task, Judged):
                self._note_verdict(subject, item, score)
            if not self._left(subject.name):
                scores.settle()

    def _note_verdict(self, subject: Subject, item: Item, score: float | None) -> None:
        if (who := self._judge_of(subject)) is None:
            return
        bench = self._benches.setdefault(who.name, _Bench())
        if score is not None:
            bench.read += 1
            return
        bench.unread += 1
        keys = (_judge_key(subject, item, order, judge.ATTEMPTS - 1) for order in range(judge.ORDERS))
        failures = [done.failure for key in keys if (done := self._journal.done.get(key)) and done.failure]
        bench.why = failures[0] if failures else "what it wrote is no verdict"

    def _judge_of(self, subject: Subject) -> Subject | None:
        """Returns who judges a candidate's answers: nobody judges its own."""
        return next((other for other in self._judges if other.name != subject.name), None)

    def _answer(self, subject: Subject, item: Item) -> Call:
        task = item.task
        return Call(
            _answer_key(subject, item),
            subject,
            item.messages,
            self._sampling(item.id, item.max_output_tokens or self._asked.max_output_tokens),
            _kept if isinstance(task, Judged) else partial(_scored, task),
            failed=0.0,
        )

    def _verdicts(self, subject: Subject, item: Item, attempt: int) -> Iterator[Call]:
        """Yields the calls to the judge about an answer that still lack a verdict."""
        answer = self._journal.done.get(_answer_key(subject, item))
        who = self._judge_of(subject)
        if answer is None or answer.text is None or who is None or not isinstance(item.task, Judged):
            return
        for order in range(judge.ORDERS):
            earlier = [self._journal.done.get(_judge_key(subject, item, order, each)) for each in range(attempt)]
            if all(done is not None and done.score is None for done in earlier):
                seed = f"{self._asked.seed}:{subject.name}:{item.id}"
                messages = judge.messages(item.messages, answer.text, item.task.reference, order, attempt, seed)
                sampling = self._sampling(item.id, judge.OUTPUT_TOKENS)
                sampling.temperature = 0
                yield Call(
                    _judge_key(subject, item, order, attempt),
                    who,
                    messages,
                    sampling,
                    partial(_verdict, order),
                )

    def _is_judged(self, subject: Subject, item: Item) -> bool:
        """Returns whether every verdict that an answer needs is there, or was asked for as often as is asked."""
        if not isinstance(item.task, Judged) or self._judge_of(subject) is None:
            return True
        for order in range(judge.ORDERS):
            done = [self._journal.done.get(_judge_key(subject, item, order, each)) for each in range(judge.ATTEMPTS)]
            if not any(each and each.score is not None for each in done) and None in done:
                return False
        return True

    def _score(self, subject: Subject, item: Item) -> float | None:
        if not isinstance(item.task, Judged):
            return self._journal.done[_answer_key(subject, item)].score
        scores = []
        for order in range(judge.ORDERS):
            done = [self._journal.done.get(_judge_key(subject, item, order, each)) for each in range(judge.ATTEMPTS)]
            scores += [each.score for each in done if each and each.score is not None]
        return sum(scores) / len(scores) if len(scores) == judge.ORDERS else None

    def _sampling(self, item: str, output_tokens: int) -> Sampling:
        seed = Random(f"{self._asked.seed}:{item}").getrandbits(31)  # noqa: S311 - reproducible by intent
        return Sampling(seed=seed, max_output_tokens=output_tokens)

    def _outcome(self, evidence: Evidence | None, end: End) -> Outcome:
        reached = evidence.tallies if evidence else {}
        return Outcome(
            scores=self._scores,
            evidence=evidence,
            asked_all=frozenset(name for name in reached if not self._left(name)),
            unreached=frozenset(self._subjects) - frozenset(reached),
            end=end,
            judge_fault=self._judge_fault() if end is End.UNREADABLE else "",
        )

    def _judge_fault(self) -> str:
        name, bench = next((name, bench) for name, bench in self._benches.items() if bench.useless)
        total = bench.unread + bench.read
        return f"the judge {name} gave no verdict on {bench.unread} of {total} answers: {bench.why}"


def _kept(text: str) -> tuple[None, str]:
    return None, text


def _scored(task: Scorer, text: str) -> tuple[float, None]:
    return task.score(text), None


def _verdict(order: int, text: str) -> tuple[float | None, None]:
    return judge.read(text, order), None


def _answer_key(subject: Subject, item: Item) -> str:
    return f"answer/{subject.name}/{item.id}"


def _judge_key(subject: Subject, item: Item, order: int, attempt: int) -> str:
    return f"judge/{subject.name}/{order}{attempt}/{item.id}"
