"""What counts as a change, what it weighs, and why one is sent back."""

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.session.fingerprint import fingerprint
from engine.work.change import check, net_lines

OLD = {"train.py": "import torch\nfrom prepare import BUDGET\n\nLR = 0.04  # rate\n\n\ndef f(x):\n    return x\n"}


def edited(old: str, new: str) -> dict[str, str]:
    assert old in OLD["train.py"]
    return {"train.py": OLD["train.py"].replace(old, new)}


def reasons(new: dict[str, str], allowed: frozenset[str] | None = frozenset({"torch", "prepare"})) -> list[str]:
    return check(OLD, new, ["train.py"], allowed, {})


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("# rate", "# the learning rate"),
        ("0.04", "4e-2"),
        ("    return x", '    """Gives x."""\n\n    return x'),
        ("return x", "return (x)"),
        ("import torch", '"""A module."""\n\nimport torch'),
    ],
)
def test_comments_docstrings_and_layout_do_not_change_the_fingerprint(old: str, new: str) -> None:
    assert fingerprint(edited(old, new)) == fingerprint(OLD)
    assert "nothing to measure" in reasons(edited(old, new))[0]


@pytest.mark.parametrize(("old", "new"), [("0.04", "0.05"), ("0.04", '"0.04"'), ("return x", "return -x")])
def test_code_changes_the_fingerprint(old: str, new: str) -> None:
    assert fingerprint(edited(old, new)) != fingerprint(OLD)
    assert reasons(edited(old, new)) == []


def test_the_fingerprint_is_the_same_whichever_python_reads_the_file() -> None:
    text = 'def f(x: int = 1, *, y=None):\n    "doc"\n    return [x, 2.0, b"b", f"{y!r:>{x}}", u"u"] if x else None\n'
    tree = (
        "Module(body=[FunctionDef(name='f',args=arguments(args=[arg(arg='x',annotation=Name(id='int',ctx=Load(),),),],"
        "kwonlyargs=[arg(arg='y',),],kw_defaults=[Constant(),],defaults=[Constant(value=1,),],),body=[Return(value="
        "IfExp(test=Name(id='x',ctx=Load(),),body=List(elts=[Name(id='x',ctx=Load(),),Constant(value=2.0,),Constant("
        "value=b'b',),JoinedStr(values=[FormattedValue(value=Name(id='y',ctx=Load(),),conversion=114,format_spec="
        "JoinedStr(values=[Constant(value='>',),FormattedValue(value=Name(id='x',ctx=Load(),),conversion=-1,),],),),],"
        "),Constant(value='u',),],ctx=Load(),),orelse=Constant(),),),],),],)"
    )
    assert fingerprint({"a.py": text}) == hashlib.sha256(f"a.py\0{tree}\0".encode()).hexdigest()


def test_files_count_by_name_and_text() -> None:
    assert fingerprint({"a.txt": "x", "b.txt": "y"}) != fingerprint({"a.txt": "y", "b.txt": "x"})
    assert fingerprint({"b.txt": "y", "a.txt": "x"}) == fingerprint({"a.txt": "x", "b.txt": "y", "gone.py": ""})
    assert fingerprint({"a.txt": "# x"}) != fingerprint({"a.txt": ""})


@given(st.text(max_size=60))
@settings(max_examples=100)
def test_any_text_has_a_fingerprint_and_a_size(text: str) -> None:
    assert len(fingerprint({"train.py": text})) == 64
    assert net_lines({"train.py": text}, {"train.py": text}) == 0
    assert net_lines({}, {"train.py": text}) == -net_lines({"train.py": text}, {})
    check({"train.py": "x = 1"}, {"train.py": text}, ["train.py"], frozenset(), {})


def test_only_lines_of_code_are_counted() -> None:
    assert (
        net_lines(OLD, edited("    return x\n", '    """Two\n    lines."""\n\n    # more\n    y = x\n    return y\n'))
        == 1
    )
    assert net_lines(OLD, edited("\nLR = 0.04  # rate\n", "")) == -1
    assert net_lines(OLD, {**OLD, "more.py": 'A = """one\ntwo"""\n'}) == 2
    assert net_lines({"broken.py": "def (\n# note\n"}, {"broken.py": ""}) == -1


def test_a_change_already_tried_is_sent_back_under_any_other_wording() -> None:
    tried = {fingerprint(edited("0.04", "0.05")): "run 7, val_bpb 1.2, 0.1 worse; discard"}
    assert check(OLD, edited("0.04  # rate", "5e-2"), ["train.py"], None, tried) == [
        "this change was already tried on this champion, with the same code: run 7, val_bpb 1.2, 0.1 worse; discard; "
        "propose another"
    ]


def test_nothing_changed_is_told() -> None:
    assert "nothing was changed" in reasons(dict(OLD))[0]


def test_files_outside_the_scope_are_named() -> None:
    found = reasons({**edited("0.04", "0.05"), "prepare.py": "BUDGET = 9"})
    assert found == ["prepare.py is outside the scope; only train.py may be changed"]
    assert "outside the scope" in reasons({**OLD, "../x.py": "1"})[0]


def test_a_syntax_error_comes_with_its_line() -> None:
    assert reasons(edited("return x", "return x +")) == ["train.py, line 8: does not parse: invalid syntax: return x +"]


def test_what_is_no_text_is_refused_with_its_line() -> None:
    assert reasons(edited("0.04", "0.04\0")) == ["train.py, line 4: has a null byte; a file must be text"]
    assert reasons(edited("# rate", "# \udce9")) == ["train.py, line 4: is not UTF-8 text"]
    assert "nothing is left of train.py" in reasons({"train.py": ""})[0]


def test_nesting_beyond_the_parser_is_a_reason_not_a_crash() -> None:
    assert "does not parse" in reasons({"train.py": "x = " + "(" * 5000 + ")" * 5000})[0]


def test_only_listed_modules_may_be_imported() -> None:
    new = edited("import torch", "import torch, math\nimport scipy.stats\nfrom einops import rearrange")
    found = reasons(new)
    assert [reason.split(",")[:2] for reason in found] == [
        ["train.py", " line 2: imports scipy"],
        ["train.py", " line 3: imports einops"],
    ]
    assert reasons(new, frozenset({"torch", "prepare", "scipy", "einops"})) == []
    assert reasons(new, None) == []


def test_what_the_champion_imports_and_files_of_the_change_may_be_imported() -> None:
    old = {"train.py": "import odd\n", "model.py": ""}
    new = {"train.py": "import odd, model\nfrom . import model\nx = 1\n", "model.py": "import odd\n"}
    assert check(old, new, ["train.py", "model.py"], frozenset(), {}) == []
