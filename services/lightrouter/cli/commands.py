"""The commands of `lightrouter`: where each is, what its group's help says of it, and the examples."""

from __future__ import annotations

from importlib.metadata import version
from typing import Final

import click

from lightrouter.cli.grammar import Commands

COMMANDS: Final = {
    "Ask": {
        "ask": ("ask:ask", "ask a prompt and watch the route"),
        "quote": ("quote:quote", "say what a prompt's answer would cost"),
        "record": ("record:record", "record the candidates' answers to prompts"),
    },
    "Run": {
        "up": ("up:up", "run the whole suite on this machine"),
        "serve": ("serve:serve", "run one service, or all in one process, in a container or a cluster"),
        "demo": ("demo:demo", "start the suite with a small local model, ask two prompts, stop"),
    },
    "Manage": {
        "pool": ("commands:POOL", "list, check, evaluate and change the candidates of a pool"),
        "lab": ("commands:LAB", "compare, experiment and train on recorded outputs"),
        "completion": ("completion:completion", "print the script that completes commands in a shell"),
    },
}
POOL_COMMANDS: Final = {
    "Make": {
        "init": ("pool_init:init", "write a pool file from an endpoint's models"),
        "discover": ("pool_discover:discover", "propose entries for models that an endpoint newly serves"),
        "check": ("pool_check:check", "ask the candidates' providers what they can do"),
    },
    "Watch": {
        "list": ("pool_states:list_", "list the pool of a running router"),
        "status": ("pool_states:status", "show each candidate's state and score, and why"),
    },
    "Change": {
        "evaluate": ("pool_evaluate:evaluate", "ask the candidates a validation set, and decide which may answer"),
        "evict": ("pool_states:evict", "evict a candidate until a person readmits it"),
        "readmit": ("pool_states:readmit", "let a candidate answer again"),
    },
}
LAB_COMMANDS: Final = {
    "Commands": {
        "compare": ("lab_compare:compare", "compare the method with its alternatives on a recording"),
        "experiment": ("lab_experiment:experiment", "answer one question about the method: a command, a page"),
        "train": ("lab_train:train", "train the learned selector on recordings"),
    },
}
_EPILOG: Final = """\
Examples:
  lightrouter up                                      three candidates of one small local model
  lightrouter pool init http://localhost:11434 --out pool.yaml
  lightrouter up --pool pool.yaml
  lightrouter ask "Why is the sky blue?"
  lightrouter ask - -o json < prompt.txt | jq -r .text

Environment:
  LIGHTROUTER_ADDRESS  the router that commands call; default: 127.0.0.1:50051
  LIGHTROUTER_POOL     the pool file; default: ./pool.yaml if there is one

Exit codes:
  0    all went well
  1    a call, a service or a model failed
  2    the command line, a pool file or another setting is wrong
  130  interrupted with Ctrl-C
"""
_POOL_EPILOG: Final = """\
Examples:
  lightrouter pool init http://localhost:11434
  lightrouter pool status
  lightrouter pool evaluate --set validation.jsonl --max-cost 0.50
  lightrouter pool evict fast --namespace models --reason "answers in the wrong language"
"""
_LAB_EPILOG: Final = """\
Examples:
  lightrouter lab compare recording.jsonl.gz --out report
  lightrouter lab experiment boot-length recording.jsonl.gz --out boot-length

A recording is JSON lines, gzip-compressed or not: the prompt, each model's answer, and its quality.
`lightrouter lab` needs the extra `lab`: pip install 'lightrouter[lab]'
"""

POOL: Final = Commands(
    "pool",
    POOL_COMMANDS,
    help="Makes pools, shows their candidates, and changes which of them may answer.",
    epilog=_POOL_EPILOG,
)
LAB: Final = Commands(
    "lab",
    LAB_COMMANDS,
    help="Runs comparisons and experiments on recorded outputs, and trains the selector on them.",
    epilog=_LAB_EPILOG,
)
LIGHTROUTER: Final = Commands(
    "lightrouter",
    COMMANDS,
    help="One prompt, several language models, one answer; only the promising drafts are paid for in full.",
    epilog=_EPILOG,
)
click.version_option(version("lightrouter"), prog_name="lightrouter", message="%(prog)s %(version)s")(LIGHTROUTER)
