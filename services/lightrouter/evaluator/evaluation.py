"""One evaluation: rounds of prompts for the undecided candidates, until all are decided, or prompts or budget end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from itertools import chain
from random import Random
from typing import Final

from lightrouter.evaluator import judge
from lightrouter.evaluator.calls import Call, CallRunner, Subject
from lightrouter.evaluator.decision import Evidence, Finding, Rules, weigh
from lightrouter.evaluator.diversity import measure
from lightrouter.evaluator.journal import CallResult, Journal
from lightrouter.evaluator.scores import Scores
from lightrouter.recording.prompts import Asked, Judged
from lightrouter.v1.chat_pb2 import Sampling

# Prompts of a candidate between two looks. A choice: looks cost no certainty, but fewer prompts leave models idle.
_ROUND: Final = 8
# Unread answers after which a judge is given up, if they are more than the read ones. A choice.
_MOST_UNREAD: Final = 5


class End(StrEnum):
    """The reason for the end of an evaluation, in a few words for people."""

    DECIDED = "all candidates are decided"
    ASKED = "the undecided candidates were asked all prompts"
    UNREACHED = "no candidate answers"
    SPENT = "the budget or the time does not cover the next call; the same command with more of it continues from here"
    UNREADABLE = "the judge's verdicts cannot be read"


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of an evaluation.

    Attributes:
        scores: The scores by candidate.
        evidence: The evidence of the scores; None if no candidate has a score.
        asked_all: The candidates that were asked the whole set.
        unreached: The candidates whose provider is down; they are not decided.
        end: The reason for the end.
        judge_fault: The fault of the judge in one sentence; empty: none.
    """

    scores: Mapping[str, Scores]
    evidence: Evidence | None
    asked_all: frozenset[str]
    unreached: frozenset[str]
    end: End
    judge_fault: str = ""


@dataclass(slots=True)
class _JudgeRecord:
    """A judge's record so far.

    Attributes:
        read: Answers with a readable verdict.
        unread: Answers without one.
        why: The reason for the last answer without one.
    """

    read: int = 0
    unread: int = 0
    why: str = ""

    @property
    def useless(self) -> bool:
        """Whether the judge is given up."""
        return self.unread >= _MOST_UNREAD and self.unread > self.read


class Evaluation:
    """One evaluation of some candidates on a validation set."""

    def __init__(
        self,
        subjects: Sequence[Subject],
        judges: Sequence[Subject],
        prompts: Sequence[Asked],
        rules: Rules,
        runner: CallRunner,
        journal: Journal,
        seed: int,
        max_output_tokens: int,
    ) -> None:
        """Prepares an evaluation.

        Args:
            subjects: The candidates; if the budget is short, the first ones are asked first.
            judges: The judges, best first; no candidate judges its own answers.
            prompts: The validation set: prompts with a task each.
            rules: The rules of decisions.
            runner: Makes the calls.
            journal: Holds the results of the calls.
            seed: Seed of the prompts' order and of the models' sampling, 0 to 2^31 - 1.
            max_output_tokens: Most tokens of an answer, if the prompt has no limit of its own.
        """
        self._subjects = {subject.name: subject for subject in subjects}
        self._judges = judges
        self._rules = rules
        self._runner = runner
        self._journal = journal
        self._seed = seed
        self._max_output_tokens = max_output_tokens
        self._items = list(prompts)
        Random(seed).shuffle(self._items)  # noqa: S311 - reproducible by intent, and no secret
        self._scores = {name: Scores() for name in self._subjects}
        self._judge_records: dict[str, _JudgeRecord] = {}
        if journal.paused:
            self._forget_outages()

    async def run(self) -> Outcome:
        """Asks prompts until the evaluation ends.

        The same seed, set and answers give the same outcome, in any order of the calls and after a restart.
        """
        while True:
            evidence = self._weighed()
            undecided = self._undecided(evidence)
            asking = self._asking(evidence, undecided)
            if not asking:
                end = End.ASKED if undecided else End.DECIDED if evidence else End.UNREACHED
                return self._outcome(evidence, end)
            whole = await self._round(asking)
            if any(record.useless for record in self._judge_records.values()):
                return self._outcome(self._weighed(), End.UNREADABLE)
            if not whole:
                return self._outcome(self._weighed(), End.SPENT)

    def _forget_outages(self) -> None:
        """Forgets the failures of providers that were down before the pause, so that their prompts are asked again."""
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
        """Returns the candidates to ask next: the undecided and their references, or else those that may be alike."""
        if evidence is None:
            return []
        wanted = {*undecided, *evidence.need.references} if undecided else self._alike(evidence)
        return [name for name in self._subjects if name in wanted and self._left(name)]

    def _alike(self, evidence: Evidence) -> set[str]:
        """Returns the candidates whose diversity is asked for and not yet decided."""
        if not self._rules.until_diverse:
            return set()
        names = {name for name in evidence.tallies if evidence.finding(name) is not Finding.WORSE}
        found = measure({name: self._scores[name].by_prompt for name in names}, self._rules.least_gain)
        if len(names) < 2 or (found and found.decided):
            return set()
        fewest = min(self._scores[name].asked for name in names)
        # Diversity is measured on prompts that all candidates were asked.
        return {name for name in names if self._scores[name].asked == fewest}

    def _left(self, name: str) -> list[Asked]:
        return self._items[self._scores[name].asked :]

    @property
    def _size(self) -> int:
        """Prompts of a candidate until the next look: one until a judge's verdict was readable."""
        proven = not self._judges or any(record.read for record in self._judge_records.values())
        return _ROUND if proven else 1

    async def _round(self, names: Sequence[str]) -> bool:
        """Asks each of these candidates its next prompts; returns whether all calls were made."""
        pairs = [(self._subjects[name], item) for name in names for item in self._left(name)[: self._size]]
        whole = await self._runner.run([self._answer(subject, item) for subject, item in pairs])
        judged = [pair for pair in pairs if isinstance(pair[1].task, Judged)]
        for attempt in range(judge.ATTEMPTS):
            calls = [call for subject, item in judged for call in self._verdicts(subject, item, attempt)]
            whole = await self._runner.run(calls) and whole
        for name in names:
            self._take([(subject, item) for subject, item in pairs if subject.name == name])
        return whole

    def _take(self, pairs: Sequence[tuple[Subject, Asked]]) -> None:
        """Adds the scores of a candidate's prompts, up to the first unfinished one."""
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

    def _note_verdict(self, subject: Subject, item: Asked, score: float | None) -> None:
        if (who := judge.judge_of(subject, self._judges)) is None:
            return
        record = self._judge_records.setdefault(who.name, _JudgeRecord())
        if score is not None:
            record.read += 1
            return
        record.unread += 1
        last = [replies[-1] for replies in self._replies(subject, item)]
        failures = [done.failure for done in last if done and done.failure]
        record.why = failures[0] if failures else "what it wrote is no verdict"

    def _answer(self, subject: Subject, item: Asked) -> Call:
        return Call(
            _answer_key(subject, item),
            subject,
            item.messages,
            self._sampling(item.id, item.max_output_tokens or self._max_output_tokens),
            item.scorer.score if item.scorer else None,
            failed=0.0,
        )

    def _verdicts(self, subject: Subject, item: Asked, attempt: int) -> Iterator[Call]:
        """Yields the judge's calls on an answer for the orders that have no verdict yet."""
        answer = self._journal.done.get(_answer_key(subject, item))
        who = judge.judge_of(subject, self._judges)
        if answer is None or answer.text is None or who is None or not isinstance(item.task, Judged):
            return
        for order, replies in enumerate(self._replies(subject, item)):
            if all(done is not None and done.score is None for done in replies[:attempt]):
                seed = f"{self._seed}:{subject.name}:{item.id}"
                messages = judge.messages(item.messages, answer.text, item.task.reference, order, attempt, seed)
                sampling = self._sampling(item.id, judge.OUTPUT_TOKENS)
                sampling.temperature = 0
                yield Call(
                    _judge_key(subject, item, order, attempt),
                    who,
                    messages,
                    sampling,
                    partial(judge.read, order=order),
                )

    def _is_judged(self, subject: Subject, item: Asked) -> bool:
        """Returns whether an answer has all its verdicts, or all attempts to get them are used."""
        if not isinstance(item.task, Judged) or judge.judge_of(subject, self._judges) is None:
            return True
        return all(
            None not in replies or any(done and done.score is not None for done in replies)
            for replies in self._replies(subject, item)
        )

    def _score(self, subject: Subject, item: Asked) -> float | None:
        if not isinstance(item.task, Judged):
            return self._journal.done[_answer_key(subject, item)].score
        replies = chain.from_iterable(self._replies(subject, item))
        scores = [done.score for done in replies if done and done.score is not None]
        return sum(scores) / len(scores) if len(scores) == judge.ORDERS else None

    def _replies(self, subject: Subject, item: Asked) -> list[list[CallResult | None]]:
        """Returns the judge's reply in each attempt, for each order; None if it was not asked."""
        return [
            [self._journal.done.get(_judge_key(subject, item, order, attempt)) for attempt in range(judge.ATTEMPTS)]
            for order in range(judge.ORDERS)
        ]

    def _sampling(self, item: str, output_tokens: int) -> Sampling:
        seed = Random(f"{self._seed}:{item}").getrandbits(31)  # noqa: S311 - reproducible by intent
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
        name, record = next((name, record) for name, record in self._judge_records.items() if record.useless)
        total = record.unread + record.read
        return f"the judge {name} gave no verdict on {record.unread} of {total} answers: {record.why}"


def _answer_key(subject: Subject, item: Asked) -> str:
    return f"answer/{subject.name}/{item.id}"


def _judge_key(subject: Subject, item: Asked, order: int, attempt: int) -> str:
    return f"judge/{subject.name}/{order}{attempt}/{item.id}"
