"""Requests that break one rule of the protos each, and requests at the ends of the ranges."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from google.protobuf import text_format
from google.protobuf.message import Message

from lightrouter.v1.adapter_pb2 import GenerateRequest, StreamGenerateRequest
from lightrouter.v1.aggregator_pb2 import AggregateRequest
from lightrouter.v1.router_pb2 import CompleteRequest, ListCandidatesRequest, QuoteRequest, StreamCompleteRequest
from lightrouter.v1.selector_pb2 import SelectRequest, ShortlistRequest

Request = type[Message]

MESSAGE = 'messages { role: ROLE_USER content: "hello" }'
PROMPT = f"prompt {{ {MESSAGE} }}"
GENERATION = f"generation {{ {MESSAGE} }}"
PARTIAL = 'partials { candidate: "ada" text: "hi" }'
CANDIDATE = 'candidates { candidate: "ada" }'
DRAFT = 'drafts { candidate: "ada" text: "hi" }'
# The least that each request needs; the examples add to it.
VALID: dict[Request, str] = {
    CompleteRequest: PROMPT,
    StreamCompleteRequest: PROMPT,
    QuoteRequest: PROMPT,
    GenerateRequest: GENERATION,
    StreamGenerateRequest: GENERATION,
    SelectRequest: f"{MESSAGE} {PARTIAL}",
    ShortlistRequest: f"{MESSAGE} {CANDIDATE}",
    AggregateRequest: f"{MESSAGE} {DRAFT}",
    ListCandidatesRequest: "",
}
LONGEST_MESSAGE = 1_000_000
LONGEST_TEXT = 8 * 1024 * 1024


@dataclass(frozen=True)
class Example:
    """A request that breaks one rule of one field.

    `text` is added to the valid request, or stands alone if `whole`. `field` is the path that the violation names,
    and `rule` the rule's path in buf.validate.FieldRules, or the id of a CEL rule.
    """

    request: Request
    text: str
    field: str
    rule: str
    whole: bool = False

    def build(self) -> Message:
        """Returns the request."""
        return text_format.Merge(("" if self.whole else VALID[self.request]) + " " + self.text, self.request())


def prompt(text: str, field: str, rule: str) -> Example:
    """Returns an example of a prompt's rule."""
    return Example(CompleteRequest, f"prompt {{ {text} }}", f"prompt.{field}", rule)


def sampling(text: str, field: str, rule: str) -> Example:
    """Returns an example of a rule of the sampling."""
    return prompt(f"sampling {{ {text} }}", f"sampling.{field}", rule)


def message(text: str, field: str, rule: str) -> Example:
    """Returns an example of a rule of a message; it is the user's unless `text` names another role."""
    role = "" if "role:" in text else "role: ROLE_USER"
    text = f'generation {{ messages {{ {role} content: "x" {text} }} }}'
    return Example(GenerateRequest, text, f"generation.messages[1].{field}", rule)


def output(text: str, field: str, rule: str) -> Example:
    """Returns an example of a rule of what the model may answer with; an empty `field` is the whole of it."""
    return prompt(f"output {{ {text} }}", f"output.{field}".removesuffix("."), rule)


def policy(text: str, field: str, rule: str) -> Example:
    """Returns an example of a rule of the policy."""
    return prompt(f"policy {{ {text} }}", f"policy.{field}", rule)


def bounds(field: str, kind: str, low: tuple[str, float], high: tuple[str, float]) -> Iterator[tuple[str, str, str]]:
    """Yields text, field and rule for a number under its lower bound, over its upper one and, if possible, NaN."""
    for rule, value in (low, high):
        yield f"{field}: {value}", field, f"{kind}.{rule}"
    if kind == "double":
        yield f"{field}: nan", field, f"{kind}.{high[0]}"


def letters(count: int) -> str:
    """Returns a literal of `count` letters."""
    return f'"{"x" * count}"'


def items(count: int, text: str) -> str:
    """Returns `count` items, the number of each in the place of `{}`."""
    return " ".join(text.replace("{}", str(number)) for number in range(count))


LONGEST_SCHEMA = 262_144
LONGEST_DATA = 20_971_520
IMAGE = 'mime_type: "image/png"'
# What breaks a rule of a message of the user's, or of the parts and calls in it.
MESSAGE_MEMBERS = [
    (items(257, 'parts { text: "x" }'), "parts", "repeated.max_items"),
    ("parts {}", "parts[0].kind", "required"),
    ('parts { text: "" }', "parts[0].text", "string.min_len"),
    (f"parts {{ text: {letters(LONGEST_MESSAGE + 1)} }}", "parts[0].text", "string.max_len"),
    (f"parts {{ image {{ {IMAGE} }} }}", "parts[0].image.source", "required"),
    (f'parts {{ image {{ {IMAGE} data: "" }} }}', "parts[0].image.data", "bytes.min_len"),
    (f"parts {{ image {{ {IMAGE} data: {letters(LONGEST_DATA + 1)} }} }}", "parts[0].image.data", "bytes.max_len"),
    (f'parts {{ file {{ {IMAGE} uri: "http://x" }} }}', "parts[0].file.uri", "string.pattern"),
    (f'parts {{ file {{ {IMAGE} uri: "https:{"x" * 8192}" }} }}', "parts[0].file.uri", "string.max_len"),
    ('parts { audio { data: "x" mime_type: "wav" } }', "parts[0].audio.mime_type", "string.pattern"),
    (f'parts {{ audio {{ data: "x" mime_type: "a/{"x" * 254}" }} }}', "parts[0].audio.mime_type", "string.max_len"),
    (f'parts {{ audio {{ data: "x" {IMAGE} name: {letters(256)} }} }}', "parts[0].audio.name", "string.max_len"),
    (f"candidate: {letters(64)}", "candidate", "string.max_len"),
    (f"state: {letters(4 * 1024 * 1024 + 1)}", "state", "bytes.max_len"),
    ("role: ROLE_TOOL tool_call_id: " + letters(257), "tool_call_id", "string.max_len"),
    ("role: ROLE_ASSISTANT " + items(129, 'tool_calls { id: "1" name: "f" }'), "tool_calls", "repeated.max_items"),
    *(
        (f"role: ROLE_ASSISTANT tool_calls {{ {text} }}", f"tool_calls[0].{field}", "string.max_len")
        for text, field in (
            (f'id: {letters(257)} name: "f"', "id"),
            (f'id: "1" name: {letters(257)}', "name"),
            (f'id: "1" name: "f" arguments: {letters(LONGEST_MESSAGE + 1)}', "arguments"),
        )
    ),
]
# What breaks a rule of what the model may answer with.
OUTPUT = [
    (items(129, 'tools { name: "f{}" }'), "tools", "repeated.max_items"),
    ('tools { name: "f g" }', "tools[0].name", "string.pattern"),
    (f'tools {{ name: "f" description: {letters(65_537)} }}', "tools[0].description", "string.max_len"),
    (f'tools {{ name: "f" parameters: {letters(LONGEST_SCHEMA + 1)} }}', "tools[0].parameters", "string.max_len"),
    ('tools { name: "f" } tools { name: "f" }', "", "output.unique_tools"),
    ("tool_choice { mode: 99 }", "tool_choice.mode", "enum.defined_only"),
    ('tool_choice { name: "" }', "tool_choice.name", "string.min_len"),
    (f"tool_choice {{ name: {letters(65)} }}", "tool_choice.name", "string.max_len"),
    ("json_object: false", "json_object", "bool.const"),
    ("json_schema {}", "json_schema.schema", "string.min_len"),
    (f"json_schema {{ schema: {letters(LONGEST_SCHEMA + 1)} }}", "json_schema.schema", "string.max_len"),
    ('json_schema { schema: "{}" name: "a b" }', "json_schema.name", "string.pattern"),
    (
        f'json_schema {{ schema: "{{}}" description: {letters(65_537)} }}',
        "json_schema.description",
        "string.max_len",
    ),
]
PRICED = ("input", "cached_input", "output", "cache_write")

EXAMPLES = [
    # chat.proto
    prompt('messages { content: "x" }', "messages[1].role", "enum.not_in"),
    prompt('messages { role: 99 content: "x" }', "messages[1].role", "enum.defined_only"),
    prompt("messages { role: ROLE_USER }", "messages[1]", "message.members"),
    prompt('messages { role: ROLE_TOOL content: "x" }', "messages[1]", "message.members"),
    prompt('messages { role: ROLE_USER content: "x" tool_call_id: "1" }', "messages[1]", "message.members"),
    prompt('messages { role: ROLE_USER tool_calls { id: "1" name: "f" } }', "messages[1]", "message.members"),
    Example(
        GenerateRequest,
        'generation { messages { role: ROLE_ASSISTANT tool_calls { name: "f" } } }',
        "generation.messages[1]",
        "message.members",
    ),
    *(message(*of) for of in MESSAGE_MEMBERS),
    *(output(*of) for of in OUTPUT),
    prompt(
        f"messages {{ role: ROLE_USER content: {letters(LONGEST_MESSAGE + 1)} }}",
        "messages[1].content",
        "string.max_len",
    ),
    *(sampling(*of) for of in bounds("temperature", "double", ("gte", -0.1), ("lte", 2.1))),
    *(sampling(*of) for of in bounds("top_p", "double", ("gt", 0.0), ("lte", 1.1))),
    sampling(items(17, 'stop: "{}"'), "stop", "repeated.max_items"),
    sampling('stop: ""', "stop[0]", "repeated.items.string.min_len"),
    sampling(f"stop: {letters(257)}", "stop[0]", "repeated.items.string.max_len"),
    *(sampling(*of) for of in bounds("seed", "int64", ("gte", -1), ("lte", 2**31))),
    sampling("reasoning_effort: 99", "reasoning_effort", "enum.defined_only"),
    *(sampling(*of) for of in bounds("max_output_tokens", "int32", ("gte", 0), ("lte", 131_073))),
    # policy.proto
    *(policy(*of) for of in bounds("boot_tokens", "int32", ("gte", 0), ("lte", 4097))),
    *(policy(*of) for of in bounds("k", "int32", ("gte", 0), ("lte", 65))),
    policy("selector: 99", "selector", "enum.defined_only"),
    policy("aggregator: 99", "aggregator", "enum.defined_only"),
    policy("hold: 99", "hold", "enum.defined_only"),
    policy(items(257, 'candidates: "{}"'), "candidates", "repeated.max_items"),
    policy('candidates: "ada" candidates: "ada"', "candidates", "repeated.unique"),
    policy('candidates: ""', "candidates[0]", "repeated.items.string.min_len"),
    policy(f"candidates: {letters(64)}", "candidates[0]", "repeated.items.string.max_len"),
    policy("max_cost_nanousd: 0", "max_cost_nanousd", "int64.gte"),
    *(policy(*of) for of in bounds("margin", "double", ("gte", -0.1), ("lte", 1.1))),
    *(policy(*of) for of in bounds("agreement", "double", ("gte", -0.1), ("lte", 1.1))),
    *(policy(*of) for of in bounds("quorum", "double", ("gt", 0.0), ("lte", 1.1))),
    *(policy(*of) for of in bounds("shortlist", "int32", ("gte", -1), ("lte", 257))),
    *(policy(*of) for of in bounds("min_gain", "double", ("gte", -0.1), ("lte", 1000.1))),
    policy("worth_nanousd: -1", "worth_nanousd", "int64.gte"),
    policy(f"category: {letters(64)}", "category", "string.max_len"),
    policy("answer_pattern {}", "answer_pattern.pattern", "required"),
    policy('answer_pattern { re2: "" }', "answer_pattern.re2", "string.min_len"),
    policy(f"answer_pattern {{ re2: {letters(1001)} }}", "answer_pattern.re2", "string.max_len"),
    policy('answer_pattern { json_pointer: "answer" }', "answer_pattern.json_pointer", "json_pointer.rfc6901"),
    policy('answer_pattern { json_pointer: "/~2" }', "answer_pattern.json_pointer", "json_pointer.rfc6901"),
    policy(
        f'answer_pattern {{ json_pointer: "/{"x" * 1000}" }}', "answer_pattern.json_pointer", "json_pointer.rfc6901"
    ),
    policy("answer_pattern { number: false }", "answer_pattern.number", "bool.const"),
    policy("answer_pattern { choices: 1 }", "answer_pattern.choices", "int32.gte"),
    policy("answer_pattern { choices: 27 }", "answer_pattern.choices", "int32.lte"),
    # router.proto
    Example(CompleteRequest, "", "prompt", "required", whole=True),
    Example(StreamCompleteRequest, "", "prompt", "required", whole=True),
    Example(CompleteRequest, "prompt {}", "prompt.messages", "repeated.min_items", whole=True),
    prompt(items(1000, MESSAGE), "messages", "repeated.max_items"),
    prompt('messages { role: ROLE_ASSISTANT content: "x" }', "messages", "prompt.last_message"),
    *(
        Example(request, f"request_id: {letters(129)}", "request_id", "string.max_len")
        for request in (CompleteRequest, StreamCompleteRequest)
    ),
    *(Example(ListCandidatesRequest, *of) for of in bounds("page_size", "int32", ("gte", -1), ("lte", 1001))),
    Example(ListCandidatesRequest, f"page_token: {letters(257)}", "page_token", "string.max_len"),
    prompt("policy { aggregator: AGGREGATOR_STRATEGY_VOTE }", "policy", "policy.vote_needs_pattern"),
    prompt("policy { worth_nanousd: 1 selector: SELECTOR_STRATEGY_PRIOR }", "policy", "policy.worth_needs_learned"),
    Example(QuoteRequest, "", "prompt", "required", whole=True),
    # adapter.proto
    Example(GenerateRequest, "", "generation", "required", whole=True),
    Example(StreamGenerateRequest, "", "generation", "required", whole=True),
    Example(StreamGenerateRequest, "checkpoint_tokens: -1", "checkpoint_tokens", "int32.gte"),
    Example(GenerateRequest, "generation {}", "generation.messages", "repeated.min_items", whole=True),
    Example(GenerateRequest, f"generation {{ {items(1000, MESSAGE)} }}", "generation.messages", "repeated.max_items"),
    Example(
        GenerateRequest,
        f"generation {{ prefix: {letters(LONGEST_MESSAGE + 1)} }}",
        "generation.prefix",
        "string.max_len",
    ),
    Example(
        GenerateRequest,
        f"generation {{ continuation: {letters(4 * 1024 * 1024 + 1)} }}",
        "generation.continuation",
        "bytes.max_len",
    ),
    Example(GenerateRequest, f"generation {{ candidate: {letters(64)} }}", "generation.candidate", "string.max_len"),
    # selector.proto
    Example(SelectRequest, PARTIAL, "messages", "repeated.min_items", whole=True),
    Example(SelectRequest, items(1000, MESSAGE), "messages", "repeated.max_items"),
    Example(SelectRequest, MESSAGE, "partials", "repeated.min_items", whole=True),
    Example(SelectRequest, items(256, 'partials { candidate: "{}" }'), "partials", "repeated.max_items"),
    Example(SelectRequest, "strategy: 99", "strategy", "enum.defined_only"),
    Example(SelectRequest, "seed: -1", "seed", "int64.gte"),
    Example(ShortlistRequest, CANDIDATE, "messages", "repeated.min_items", whole=True),
    Example(ShortlistRequest, items(1000, MESSAGE), "messages", "repeated.max_items"),
    Example(ShortlistRequest, MESSAGE, "candidates", "repeated.min_items", whole=True),
    Example(ShortlistRequest, items(256, 'candidates { candidate: "{}" }'), "candidates", "repeated.max_items"),
    Example(ShortlistRequest, "candidates { prior: 0.5 }", "candidates[1].candidate", "string.min_len"),
    *(
        Example(ShortlistRequest, f'candidates {{ candidate: "x" {text} }}', f"candidates[1].{field}", rule)
        for text, field, rule in (
            *bounds("prior", "double", ("gte", -0.1), ("lte", 1.1)),
            ("evaluated_prompts: -1", "evaluated_prompts", "int64.gte"),
            (f"model: {letters(513)}", "model", "string.max_len"),
        )
    ),
    Example(ShortlistRequest, "worth_nanousd: -1", "worth_nanousd", "int64.gte"),
    Example(ShortlistRequest, "most_answers: -1", "most_answers", "int32.gte"),
    Example(SelectRequest, "worth_nanousd: -1", "worth_nanousd", "int64.gte"),
    Example(SelectRequest, items(257, 'unasked { candidate: "{}" }'), "unasked", "repeated.max_items"),
    *(
        Example(
            ShortlistRequest,
            f'candidates {{ candidate: "x" terms {{ {text} }} }}',
            f"candidates[1].terms.{field}",
            rule,
        )
        for text, field, rule in (
            *(
                (f"prices {{ {price}: -1 }}", f"prices.{price}", "int64.gte")
                for price in (f"{kind}_nanousd_per_million" for kind in PRICED)
            ),
            *(
                (f"prices {{ tiers {{ above_input_tokens: 1 {price}: -1 }} }}", f"prices.tiers[0].{price}", "int64.gte")
                for price in (f"{kind}_nanousd_per_million" for kind in PRICED)
            ),
            ("prices { tiers {} }", "prices.tiers[0].above_input_tokens", "int64.gte"),
            ("input_tokens: -1", "input_tokens", "int64.gte"),
            ("cached_input_tokens: -1", "cached_input_tokens", "int64.gte"),
            ("cache_write_tokens: -1", "cache_write_tokens", "int64.gte"),
            ("max_output_tokens: -1", "max_output_tokens", "int64.gte"),
            *bounds("reasoning_tokens", "double", ("gte", -0.1), ("lte", 1.1e9)),
            *bounds("boot_tokens", "double", ("gte", -0.1), ("lte", 1.1e9)),
            *bounds("overshoot_tokens", "double", ("gte", -0.1), ("lte", 1.1e9)),
        )
    ),
    # aggregator.proto
    Example(AggregateRequest, DRAFT, "messages", "repeated.min_items", whole=True),
    Example(AggregateRequest, items(1000, MESSAGE), "messages", "repeated.max_items"),
    Example(AggregateRequest, MESSAGE, "drafts", "repeated.min_items", whole=True),
    Example(AggregateRequest, items(64, 'drafts { candidate: "{}" text: "x" }'), "drafts", "repeated.max_items"),
    Example(AggregateRequest, "strategy: 99", "strategy", "enum.defined_only"),
    Example(
        AggregateRequest,
        items(17, 'synthesizers { candidate: "{}" address: "x" }'),
        "synthesizers",
        "repeated.max_items",
    ),
    # candidate.proto
    Example(
        SelectRequest,
        f'partials {{ candidate: "x" text: {letters(LONGEST_TEXT + 1)} }}',
        "partials[1].text",
        "string.max_len",
    ),
    Example(SelectRequest, 'partials { text: "x" }', "partials[1].candidate", "string.min_len"),
    *(
        Example(SelectRequest, f'partials {{ candidate: "x" {text} }}', f"partials[1].{field}", rule)
        for text, field, rule in (
            *bounds("prior", "double", ("gte", -0.1), ("lte", 1.1)),
            ("evaluated_prompts: -1", "evaluated_prompts", "int64.gte"),
            (f"model: {letters(513)}", "model", "string.max_len"),
        )
    ),
    Example(AggregateRequest, 'drafts { text: "x" }', "drafts[1].candidate", "string.min_len"),
    Example(
        AggregateRequest,
        f'drafts {{ candidate: "x" text: {letters(LONGEST_TEXT + 1)} }}',
        "drafts[1].text",
        "string.max_len",
    ),
    Example(AggregateRequest, 'drafts { candidate: "x" }', "drafts[1]", "draft.not_empty"),
    Example(
        AggregateRequest,
        'drafts { candidate: "x" ' + items(129, 'tool_calls { id: "{}" }') + "}",
        "drafts[1].tool_calls",
        "repeated.max_items",
    ),
    Example(
        SelectRequest,
        'partials { candidate: "x" ' + items(129, 'tool_calls { id: "{}" }') + "}",
        "partials[1].tool_calls",
        "repeated.max_items",
    ),
    *(
        Example(AggregateRequest, f'drafts {{ candidate: "x" text: "x" {text} }}', f"drafts[1].{field}", rule)
        for text, field, rule in bounds("score", "double", ("gte", -0.1), ("lte", 1.1))
    ),
    Example(SelectRequest, 'judge { address: "x" }', "judge.candidate", "string.min_len"),
    Example(SelectRequest, 'judge { candidate: "x" }', "judge.address", "string.min_len"),
]

# At both ends of every range; each must pass.
AT_THE_BOUNDS = [
    "sampling { temperature: 0 top_p: 0.0001 seed: 0 max_output_tokens: 1 }",
    "sampling { temperature: 2 top_p: 1 seed: 2147483647 max_output_tokens: 131072 }",
    "sampling { " + items(16, 'stop: "{}"') + " }",
    "policy { boot_tokens: 1 k: 1 max_cost_nanousd: 1 margin: 0 agreement: 0 quorum: 0.0001 }",
    "policy { boot_tokens: 4096 k: 64 margin: 1 agreement: 1 quorum: 1 }",
    "policy { shortlist: 0 min_gain: 0 worth_nanousd: 0 }",
    "policy { worth_nanousd: 9223372036854775807 selector: SELECTOR_STRATEGY_LEARNED hold: HOLD_NEVER }",
    "policy { shortlist: 256 min_gain: 1000 }",
    "policy { " + items(256, 'candidates: "{}"') + " }",
    "policy { aggregator: AGGREGATOR_STRATEGY_VOTE answer_pattern { json_pointer: '' } }",
    f"policy {{ answer_pattern {{ json_pointer: '/a~0b~1c/{'0' * 990}' }} }}",
    items(999, MESSAGE),
    'messages { role: ROLE_ASSISTANT tool_calls { id: "1" name: "f" } } messages { role: ROLE_TOOL tool_call_id: "1" }',
    f'messages {{ role: ROLE_USER parts {{ image {{ uri: "https://x" {IMAGE} }} }} }}',
    'output { tools { name: "f" } tool_choice { name: "f" } json_object: true }',
]
