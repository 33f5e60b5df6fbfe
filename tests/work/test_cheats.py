"""The look at what a change adds: every known cheat is told with its line, and honest changes are left alone."""

from __future__ import annotations

import ast
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.session.assets import assets_dir
from engine.work.change import check
from engine.work.cheats import Finding, look
from engine.work.constants import read_constants, set_constant

TEMPLATE = (assets_dir() / "train.py").read_text()
IMPORT = "import torch\n"
MEASURE = "    bpb, val_loss = evaluate_bpb(run, rows, DEVICE)\n"
PRINTED = '"val_bpb": f"{bpb:.6f}"'
LIMIT = 'LIMIT = float(os.environ.get("OVERNIGHT_BUDGET") or BUDGET)'
SEED = 'SEED = int(os.environ.get("OVERNIGHT_SEED", "1337"))'


def looked(new: str, old: str = TEMPLATE) -> list[Finding]:
    return look({"train.py": old}, {"train.py": new})


def with_import(line: str) -> str:
    return TEMPLATE.replace(IMPORT, IMPORT + line + "\n", 1)


def in_main(code: str) -> str:
    """The template with `code` right before the model is measured."""
    assert MEASURE in TEMPLATE
    lines = "".join(f"    {line}\n" for line in code.splitlines())
    return TEMPLATE.replace(MEASURE, lines + MEASURE)


REACHING = {
    "a patched measure": ("evaluation", "import prepare\nprepare.evaluate_bpb = lambda *a: (0.5, 0.5)"),
    "a patched measure by another name": ("evaluation", "import prepare as data\ndata.evaluate_bpb = None"),
    "a patched measure by an alias": ("evaluation", "import prepare\nit = prepare\nit.EVAL_TOKENS = 256"),
    "setattr on prepare": ("evaluation", "import prepare\nsetattr(prepare, 'evaluate_bpb', print)"),
    "setattr with a made-up name": ("evaluation", "import prepare\nsetattr(prepare, 'evaluate' + '_bpb', print)"),
    "prepare's dictionary": ("evaluation", "import prepare\nprepare.__dict__['evaluate_bpb'] = print"),
    "vars of prepare": ("evaluation", "import prepare\nvars(prepare)['evaluate_bpb'] = print"),
    "an update of prepare's dictionary": ("evaluation", "import prepare\nvars(prepare).update(evaluate_bpb=print)"),
    "a patched tokenizer": ("evaluation", "tokenizer = get_tokenizer()\ntokenizer.byte_lengths = lambda: lengths * 2"),
    "the measure's code": ("evaluation", "evaluate_bpb.__code__ = (lambda *a: (0.5, 0.5)).__code__"),
    "the measure's globals": ("evaluation", "evaluate_bpb.__globals__['math'] = None"),
    "the measure bound anew": ("evaluation", "evaluate_bpb = lambda *a: (0.5, 0.5)"),
    "the measure defined anew": ("evaluation", "def evaluate_bpb(*a):\n    return 0.5, 0.5"),
    "the budget's name bound anew": ("evaluation", "BUDGET = 1000"),
    "prepare found in sys.modules": ("modules", "sys.modules['prepare'].x = 1"),
    "prepare loaded afresh": ("modules", "import importlib\nimportlib.reload(importlib.import_module('prepare'))"),
    "another module path": ("modules", "sys.path.insert(0, '/tmp/mine')"),
    "__import__": ("modules", "__import__('os').system('true')"),
    "exec": ("code", "exec('import prepare')"),
    "eval": ("code", "e = eval\ne('1')"),
    "compile": ("code", "compile('1', 'x', 'eval')"),
    "builtins": ("code", "import builtins\nbuiltins.print = None"),
    "frames": ("code", "sys._getframe(0).f_globals['x'] = 1"),
    "a hidden name": ("code", "getattr(os, name)('true')"),
    "a spelled name": ("process", "getattr(os, 'sys' + 'tem')('true')"),
    "atexit": ("code", "import atexit"),
    "subprocess": ("process", "import subprocess\nsubprocess.run(['true'])"),
    "subprocess by from": ("process", "from subprocess import run as go\ngo(['true'])"),
    "os.system": ("process", "os.system('true')"),
    "os.fork": ("process", "os.fork()"),
    "os.execv": ("process", "os.execv('/bin/sh', ['sh'])"),
    "a socket": ("network", "import socket\nsocket.create_connection(('host', 1))"),
    "urllib": ("network", "from urllib.request import urlopen"),
    "requests": ("network", "import requests"),
    "the hub": ("network", "from huggingface_hub import hf_hub_download"),
    "the validation rows": ("data", "from prepare import validation_rows"),
    "the validation rows by attribute": ("data", "import prepare\nrows = prepare.validation_rows()"),
    "the documents": ("data", "from corpus import open_documents\nopen_documents('h', tokenizer, 'val')"),
    "all of prepare": ("data", "from prepare import *"),
    "the cache's files": ("data", "import numpy\nnumpy.memmap(path, 'uint16')"),
    "earlier weights": ("data", "model.load_state_dict(torch.load('best.pt'))"),
    "a read file": ("data", "text = open(path).read()"),
    "a read path": ("data", "from pathlib import Path\ntext = Path(path).read_bytes()"),
    "a named validation file": ("records", "path = 'val.tokens'"),
    "a written file": ("file", "open('note', 'w').write('x')"),
    "a file with a mode of its own": ("file", "open('note', mode)"),
    "a kept checkpoint": ("file", "torch.save(model, 'best.pt')"),
    "a written path": ("file", "from pathlib import Path\nPath('note').write_text('x')"),
    "the log": ("records", "name = 'run' + '.log'"),
    "the public log": ("records", "name = 'autoresearch.jsonl'"),
    "the private folder": ("records", "name = '.overnight/journal'"),
    "the clock": ("clock", "time.perf_counter = lambda: 0.0"),
    "the clock bound anew": ("clock", "time = None"),
    "another clock": ("clock", "import time as clock\nclock.time = lambda: 0.0"),
    "the logarithm": ("patched", "math.log = lambda x: 100.0"),
    "the loss": ("patched", "torch.Tensor.double = lambda self: self * 0.5"),
    "the environment": ("environment", "os.environ['OVERNIGHT_BUDGET'] = '1000'"),
    "the environment by update": ("environment", "os.environ.update(OVERNIGHT_SEED='1')"),
    "a hidden variable": ("environment", "os.environ[name] = '1'"),
    "the cookie": ("environment", "os.environ.pop('OVERNIGHT_COOKIE')"),
    "the cache's place": ("environment", "os.environ.get('OVERNIGHT_CACHE')"),
    "a METRIC line": ("metric", "print('METRIC val_bpb=0.5')"),
    "a METRIC line in pieces": ("metric", "print('MET' + 'RIC val_bpb=0.5')"),
    "a printed constant": ("metric", "print('val_bpb: 0.500000')"),
    "a constant in an f-string": ("metric", "print(f'val_bpb: {0.5}')"),
    "a constant beside its name": ("metric", "print('val_bpb:', 0.5)"),
    "another print": ("metric", "def print(*a, **k):\n    pass"),
    "another output": ("metric", "sys.stdout = None"),
    "native code": ("native", "import ctypes"),
    "the measure imported over": ("evaluation", "from math import sqrt as evaluate_bpb"),
    "a pinned module imported over": ("evaluation", "import math as attention"),
    "the measure caught": ("evaluation", "try:\n    pass\nexcept Exception as evaluate_bpb:\n    pass"),
    "the measure matched": ("evaluation", "match 1:\n    case evaluate_bpb:\n        pass"),
    "prepare handed on": ("evaluation", "import prepare\nobject.__setattr__(prepare, 'evaluate_bpb', None)"),
    "prepare's dictionary handed on": (
        "evaluation",
        "import operator, prepare\noperator.setitem(vars(prepare), 'x', 1)",
    ),
    "the clock handed on": ("patched", "object.__setattr__(time, 'perf_counter', None)"),
    "builtins by their other name": ("patched", "__builtins__.print = None"),
    "the module's loader": ("modules", "__loader__.get_data('prepare.py')"),
    "every class there is": ("code", "().__class__.__base__.__subclasses__()"),
    "a function's globals": ("code", "loss.__globals__['x'] = 1"),
    "the system's own calls": ("native", "import posix\nposix.system('true')"),
    "an inner module": ("native", "import _posixsubprocess"),
    "a file by gzip": ("data", "import gzip\ngzip.open('val.bin')"),
    "a file by its number": ("data", "os.pread(3, 10, 0)"),
    "a storage of a file": ("data", "torch.UntypedStorage.from_file('val.bin', False, 10)"),
    "a compiler": ("native", "from torch.utils.cpp_extension import load_inline"),
    "an end before the measure": ("process", "os._exit(0)"),
    "a process by asyncio": ("process", "import asyncio\nasyncio.create_subprocess_exec('true')"),
    "bytes to the output": ("metric", "sys.stdout.buffer.write(line)"),
    "a redirected output": ("metric", "import contextlib\ncontextlib.redirect_stdout(None)"),
    "a joined constant": ("metric", "print(''.join(['val', '_bpb', ': 0.5']))"),
    "a decoded constant": ("metric", "print(b'val_bpb: 0.5'.decode())"),
    "a spelled constant": ("metric", "print(chr(118) + 'al_bpb: 0.5')"),
}


@pytest.mark.parametrize("name", REACHING)
def test_a_cheat_is_told_with_its_line(name: str) -> None:
    kind, code = REACHING[name]
    new = in_main(code)
    found = [f for f in looked(new) if f.severity == "refuse"]
    assert kind in [f.kind for f in found], found
    told = next(f for f in found if f.kind == kind)
    line = new.splitlines()[told.line - 1].strip()
    assert line in [part.strip() for part in code.splitlines()], (told.line, line)
    assert told.file == "train.py" and str(told).startswith(f"train.py, line {told.line}: ")


REPLACING = {
    "a constant as the metric": ("metric", PRINTED, '"val_bpb": "0.500000"'),
    "a number as the metric": ("metric", PRINTED, '"val_bpb": f"{0.5:.6f}"'),
    "a better metric than measured": ("metric", PRINTED, '"val_bpb": f"{bpb * 0.9:.6f}"'),
    "another loss as the metric": ("metric", PRINTED, '"val_bpb": f"{smooth:.6f}"'),
    "a metric changed after it was measured": ("metric", MEASURE, MEASURE + "    bpb -= 0.1\n"),
    "the better of two": ("metric", MEASURE, MEASURE + "    bpb = min(bpb, 0.9)\n"),
    "another model than the trained one": ("metric", "evaluate_bpb(run,", "evaluate_bpb(lambda x, y: run(x, y) * 0.9,"),
    "a function around the trained model": (
        "metric",
        MEASURE,
        "    inner = run\n    def run(x, y):\n        return inner(x, y) * 0.9\n" + MEASURE,
    ),
    "no measure": ("evaluation", MEASURE, "    bpb, val_loss = 0.5, 0.5\n"),
    "a longer budget": ("budget", LIMIT, LIMIT + " * 2"),
    "a budget of its own": ("budget", LIMIT, "LIMIT = 1000.0"),
    "a budget raised later": ("budget", LIMIT, LIMIT + "\nLIMIT *= 2"),
    "the default seed": ("seed", '"OVERNIGHT_SEED", "1337"', '"OVERNIGHT_SEED", "1338"'),
    "a seed beside the given one": ("seed", "device.start(SEED)", "device.start(SEED + 1)"),
    "a seed of its own": ("seed", SEED, "SEED = 42"),
    "the seed of the batches": ("seed", "training_batches(batch, SEED, DEVICE)", "training_batches(batch, 7, DEVICE)"),
    "one more seed": ("seed", "device.start(SEED)", "device.start(SEED)\n    torch.manual_seed(5)"),
}


@pytest.mark.parametrize("name", REPLACING)
def test_what_is_put_in_place_of_the_measurement_is_told(name: str) -> None:
    kind, old, new = REPLACING[name]
    assert old in TEMPLATE
    assert kind in [f.kind for f in looked(TEMPLATE.replace(old, new)) if f.severity == "refuse"]


HONEST = {
    "another activation": (
        "fused.squared_relu_mlp(x, self.up.weight, self.down.weight)",
        "self.down(F.gelu(self.up(x)))",
    ),
    "allocator settings": (IMPORT, 'os.environ["PYTORCH_CUDA_ALLOC_CONF"] = "expandable_segments:True"\n' + IMPORT),
    "library settings": (
        "    model = make_model()",
        "    torch.backends.cuda.matmul.allow_tf32 = True\n    model = make_model()",
    ),
    "a compiled function": ("def norm(x", "@torch.compile\ndef norm(x"),
    "a pattern": (IMPORT, IMPORT + 'import re\nNUMBER = re.compile("[0-9]+")\n'),
    "evaluation mode": (MEASURE, "    model.eval()\n" + MEASURE),
    "an average of weights": (MEASURE, "    for p in model.parameters():\n        p.data.mul_(1.0)\n" + MEASURE),
    "the measured number under another name": (MEASURE, MEASURE + "    shown = bpb\n"),
    "a seed with something else": (
        "device.start(SEED)",
        "device.start(SEED + 1)\n    torch.set_num_threads(2)",
    ),
    "getattr of a model": (MEASURE, "    width = getattr(model, name, None)\n" + MEASURE),
    "a new schedule": ("* left\n", "* left - 0.1 * math.sin(progress)\n"),
    "saved weights, as the engine asks": ("save_weights(model, path)", "save_weights(model.half(), path)"),
    "a device by its name": (MEASURE, "    x = torch.zeros(1, device=DEVICE)\n" + MEASURE),
    "a reference to the budget": ("    print()\n", '    print(f"{LIMIT} {BUDGET_UNIT}")\n'),
}


@pytest.mark.parametrize("name", HONEST)
def test_an_honest_change_is_left_alone(name: str) -> None:
    old, new = HONEST[name]
    assert old == new or old in TEMPLATE
    assert looked(TEMPLATE.replace(old, new)) == []


def test_the_template_itself_shows_nothing() -> None:
    assert looked(TEMPLATE, "") == []


def test_a_cheat_cannot_hide_behind_an_expression_that_nests_too_deeply_to_be_looked_at() -> None:
    deep = "deep = " + " + ".join(["1"] * 1500)
    (found,) = looked(in_main(f"{deep}\nimport subprocess"))
    assert found.severity == "refuse" and "too deeply" in found.text
    champion = in_main(deep)
    assert [f.severity for f in looked(champion.replace("DEPTH = 2", "DEPTH = 3"), champion)] == ["flag"]


@pytest.mark.parametrize("name", ["subprocess", "a read file", "the clock", "exec"])
def test_what_the_champion_does_already_is_not_told_again(name: str) -> None:
    champion = in_main(REACHING[name][1])
    assert looked(champion.replace("DEPTH = 2", "DEPTH = 3"), champion) == []
    assert looked(champion.replace("path", "where"), champion) == []
    twice = champion.replace(MEASURE, "".join(f"    {x}\n" for x in REACHING[name][1].splitlines()) + MEASURE)
    assert looked(twice, champion), "doing it once more is new"


def test_what_cannot_be_parsed_is_left_to_the_parser() -> None:
    assert looked("def (") == []
    assert look({"a.txt": "1"}, {"a.txt": "import subprocess"}) == []


def test_the_check_of_a_change_gives_the_reason_to_the_researcher() -> None:
    new = {"train.py": in_main("import subprocess")}
    (reason,) = check({"train.py": TEMPLATE}, new, ["train.py"], None, {})
    assert "imports subprocess" in reason and re.match(r"train\.py, line \d+: ", reason)


CONSTANTS = {name: source for name, source in read_constants(TEMPLATE).items() if source[0].isdigit()}


@settings(max_examples=25)
@given(st.dictionaries(st.sampled_from(sorted(CONSTANTS)), st.integers(1, 10**6), min_size=1, max_size=4))
def test_no_edit_of_constants_is_ever_told(values: dict[str, int]) -> None:
    text = TEMPLATE
    for name, value in values.items():
        text = set_constant(text, name, str(value))
    assert looked(text) == []


_OWN = sorted(
    {n.id for n in ast.walk(ast.parse(TEMPLATE)) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    | {n.name for n in ast.walk(ast.parse(TEMPLATE)) if isinstance(n, (ast.FunctionDef, ast.ClassDef))}
)


@settings(max_examples=25)
@given(st.sampled_from(_OWN), st.from_regex(r"[a-z]{3,8}_[a-z]{2,6}", fullmatch=True))
def test_no_renaming_is_ever_told(old: str, new: str) -> None:
    class Renamed(ast.NodeTransformer):
        def visit(self, node: ast.AST) -> ast.AST:
            for field in ("id", "name", "arg"):
                if getattr(node, field, None) == old:
                    setattr(node, field, new)
            return super().generic_visit(node)

    assert looked(ast.unparse(Renamed().visit(ast.parse(TEMPLATE)))) == []


@settings(max_examples=20)
@given(st.sampled_from(sorted(REACHING)), st.integers(0, 60))
def test_a_cheat_is_found_wherever_it_stands(name: str, at: int) -> None:
    kind, code = REACHING[name]
    places = [n for n in ast.parse(TEMPLATE).body if n.lineno > TEMPLATE[: TEMPLATE.index(LIMIT)].count("\n")]
    lines = TEMPLATE.splitlines(keepends=True)
    start = places[at % len(places)]
    line = min([start.lineno, *(d.lineno for d in getattr(start, "decorator_list", []))])
    text = "".join([*lines[: line - 1], code, "\n", *lines[line - 1 :]])
    assert kind in [f.kind for f in looked(text)]
