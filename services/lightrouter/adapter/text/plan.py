"""What one generation means for a provider: where it goes on from, and what it is asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from lightrouter.adapter.exchange import ProviderRequest
from lightrouter.adapter.quirks import Quirks
from lightrouter.adapter.text.boundary import REPLACEMENT
from lightrouter.adapter.text.continuation import ResumeState
from lightrouter.adapter.text.cut import Cut
from lightrouter.adapter.text.opening import Joint, Opening
from lightrouter.adapter.text.reasoning import ThinkSplitter
from lightrouter.adapter.text.transcript import Transcript
from lightrouter.pool.schema import CandidateEntry, ContinuationStyle, Thinking
from lightrouter.runtime.tokens import estimate_tokens
from lightrouter.v1.adapter_pb2 import Generation
from lightrouter.v1.chat_pb2 import Role

_ASSISTANT: Final = Role.ROLE_ASSISTANT


@dataclass(frozen=True, slots=True)
class Plan:
    """One generation, ready to be asked for as often as need be."""

    ask: ProviderRequest
    """What the provider is asked."""
    resume: ResumeState
    """What the model is given back; nothing where it begins anew."""
    visible: bool
    """Whether the caller has visible text of it already."""
    restarted: bool
    """Whether there was something to go on from and it is written anew nevertheless."""
    stops: tuple[str, ...]
    """Texts that end the output."""

    def cut(self) -> Cut:
        """Returns what ends the text of one attempt where the provider was not asked to."""
        ask = self.ask
        return Cut(ask.max_tokens if ask.is_cut else None, self.stops if "stop" in ask.quirks.refused else ())

    def transcript(self, entry: CandidateEntry) -> Transcript:
        """Returns the empty transcript of one attempt."""
        resume, tags = self.resume, entry.thinking_tags
        raw = entry.continuation is ContinuationStyle.RAW
        opening = Opening(
            self.ask.lead if entry.echoes_prefix or not raw else "",
            echoes=entry.echoes_prefix,
            may_start_anew=not raw,
            think="" if resume.inside or entry.thinking is Thinking.OFF else tags[0],
        )
        return Transcript(
            ThinkSplitter(entry.thinking, resume.head, tags, inside=resume.inside, visible=self.visible),
            opening,
            anew=ThinkSplitter(entry.thinking, tags=tags),
            stops=self.stops,
        )


def plan(entry: CandidateEntry, generation: Generation, resume: ResumeState, quirks: Quirks) -> Plan:
    """Returns the plan for `generation` by the candidate of `entry`, whose provider has `quirks`.

    The candidate gave out `resume` with the prefix.
    """
    sampling = generation.sampling
    messages = generation.messages[:]
    can_go_on = entry.continuation is not ContinuationStyle.NONE and not quirks.writes_anew
    lead = reasoning = ""
    left_off = False
    if quirks.writes_anew:
        while len(messages) > 1 and messages[-1].role == _ASSISTANT:
            messages.pop()
            left_off = True
    if can_go_on:
        lead = resume.head + generation.prefix
        if entry.continuation is ContinuationStyle.PREFIX:
            reasoning = resume.reasoning
        if len(messages) > 1 and messages[-1].role == _ASSISTANT:
            # Two messages of the assistant in a row are refused, or taken for one, depending on the provider.
            lead = messages.pop().content + lead
    goes_on = bool(lead or reasoning)
    restarted = not goes_on and (left_off or bool(generation.prefix or generation.continuation))
    most = sampling.max_output_tokens if sampling.HasField("max_output_tokens") else entry.sampling.max_output_tokens
    if restarted and most is not None:
        most += resume.tokens or estimate_tokens(generation.prefix)
    return Plan(
        ask=ProviderRequest(messages, sampling, most, lead, reasoning, quirks),
        resume=resume if goes_on else ResumeState(),
        visible=goes_on and bool(generation.prefix),
        restarted=restarted,
        stops=tuple(sampling.stop) or entry.sampling.stop,
    )


def resumed(transcript: Transcript, before: ResumeState, tokens: int, *, takes_reasoning_back: bool) -> ResumeState:
    """Returns what the model is to be given back after a cut output of `tokens`, itself gone on from `before`."""
    if transcript.joint is Joint.ANEW:
        before = ResumeState()
    takes_back = takes_reasoning_back or before.reasoning
    return ResumeState(
        head=transcript.head,
        inside=transcript.inside,
        reasoning=(before.reasoning + transcript.field_reasoning).rstrip(REPLACEMENT) if takes_back else "",
        tokens=before.tokens + tokens,
    )
