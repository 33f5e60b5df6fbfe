"""An agent's change is taken from a work tree of its own, and nothing but editable files ever leaves it."""

import sys
from pathlib import Path

import pytest

from engine.researchers.base import Mend, Message, ResearcherFailed
from tests.loop.lab import TRAIN
from tests.researchers.agent.playing import Stage

GOOD = """
put("ALPHA = 0.9", "ALPHA = 0.8")
hand_in(description="ALPHA 0.9 to 0.8", asi={"hypothesis": "nearer"}, answers={"m1": "done"})
print("working")
"""


def test_its_edit_and_what_it_says_of_it_become_the_proposal(tmp_path: Path) -> None:
    stage = Stage(tmp_path, GOOD)
    proposal = stage.agent.propose(stage.brief(messages=(Message("m1", "try ALPHA", "me"),)))
    assert proposal.files == {"train.py": TRAIN.replace("0.9", "0.8")}
    assert proposal.description == "ALPHA 0.9 to 0.8"
    assert proposal.asi == {"hypothesis": "nearer"}
    assert proposal.answers == {"m1": "done"}
    assert proposal.params == {"ALPHA": ("0.9", "0.8")}
    assert stage.untouched()
    assert "working" in stage.log()


def test_the_prompt_is_kept_as_it_was_given_and_says_how_to_hand_in(tmp_path: Path) -> None:
    stage = Stage(tmp_path, GOOD + "(here.parent / 'seen').write_text(prompt)\n")
    stage.agent.propose(stage.brief(messages=(Message("m1", "try ALPHA", "me"),)))
    seen = (stage.lab.paths.private / "agent" / "seen").read_text()
    assert seen == stage.prompt()
    assert "Lower val_bpb." in seen and "PROPOSAL.json" in seen and '"m1"' in seen


def test_no_variable_leads_it_to_another_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PWD", str(tmp_path))
    stage = Stage(tmp_path, "os.chdir(os.environ['PWD'])\n" + GOOD)
    assert stage.agent.propose(stage.brief()).files == {"train.py": TRAIN.replace("0.9", "0.8")}


def test_a_prompt_can_be_given_as_a_file(tmp_path: Path) -> None:
    told = [sys.executable, str(tmp_path / "bin/agent.py"), "--file", "{prompt}"]
    stage = Stage(tmp_path, GOOD + "assert 'Lower val_bpb.' in prompt\n", command=told)
    assert stage.agent.propose(stage.brief()).description == "ALPHA 0.9 to 0.8"


def test_without_a_word_of_its_own_the_difference_describes_the_change(tmp_path: Path) -> None:
    both = 'put("ALPHA = 0.9", "ALPHA = 0.8")\nput("BETA = 0.1", "BETA = 0.2")\nprint("I moved both.")'
    stage = Stage(tmp_path, both)
    proposal = stage.agent.propose(stage.brief())
    assert proposal.description == "ALPHA 0.9 → 0.8, BETA 0.1 → 0.2"
    assert proposal.asi["hypothesis"] == "I moved both."


def test_without_constants_its_last_words_describe_the_change(tmp_path: Path) -> None:
    stage = Stage(tmp_path, 'put("(ALPHA - 0.3) ** 2", "abs(ALPHA - 0.3)")\nprint("An absolute loss. More follows.")')
    proposal = stage.agent.propose(stage.brief())
    assert proposal.description == "An absolute loss."
    assert proposal.params == {}


@pytest.mark.parametrize(
    "written", ['"{"', '"[1, 2]"', '"\\\\xff"', '"9" * 300000', '"{" * 5000', 'json.dumps({"asi": 3, "answers": [1]})']
)
def test_a_hand_in_that_cannot_be_read_costs_only_its_words(tmp_path: Path, written: str) -> None:
    stage = Stage(
        tmp_path, f'put("ALPHA = 0.9", "ALPHA = 0.8")\n(here / "PROPOSAL.json").write_text({written})\nprint("hm")'
    )
    assert stage.agent.propose(stage.brief()).description == "ALPHA 0.9 → 0.8"


def test_a_hand_in_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text('{"description": "stolen"}')
    stage = Stage(tmp_path, f'put("0.9", "0.8")\n(here / "PROPOSAL.json").symlink_to({str(tmp_path / "secret")!r})')
    proposal = stage.agent.propose(stage.brief())
    assert "stolen" not in proposal.description and proposal.remarks


ASTRAY = {
    "a pinned file": 'os.chmod("prepare.py", 0o644); (here / "prepare.py").write_text("BUDGET = 9\\n")',
    "a file replaced under its name": 'p = here / "prepare.py"; (here / "x").write_text("1\\n"); os.rename("x", p)',
    "a file removed": '(here / "program.md").unlink()',
    "a file made a link": 'os.unlink("program.md"); os.symlink("/etc/hostname", "program.md")',
    "a file made a folder": 'os.unlink("program.md"); os.mkdir("program.md"); (here / "program.md/x").write_text("1")',
    "a module of its own": '(here / "extra.py").write_text("X = 1\\n"); put("ALPHA =", "import extra\\nALPHA =")',
    "an editable file made a link": 'os.unlink("train.py"); os.symlink("/etc/hostname", "train.py")',
    "git told to look away": (
        'os.system("git update-index --assume-unchanged prepare.py"); os.chmod("prepare.py", 0o644);'
        '(here / "prepare.py").write_text("BUDGET = 9\\n"); os.utime("prepare.py", (0, 0))'
    ),
}


@pytest.mark.parametrize("what", ASTRAY)
def test_a_change_outside_is_sent_back_with_the_reason_and_never_taken(tmp_path: Path, what: str) -> None:
    stage = Stage(tmp_path, 'put("ALPHA = 0.9", "ALPHA = 0.8")\n' + ASTRAY[what])
    with pytest.raises(ResearcherFailed) as caught:
        stage.agent.propose(stage.brief())
    assert caught.value.kind == "bad_answer"
    assert "asked 3 times" in str(caught.value)
    assert "That was undone" in stage.prompt() and "That was undone" not in stage.prompt(name="prompt-1.md")
    assert "refused" in stage.log()
    assert stage.untouched()


@pytest.mark.parametrize(
    "what",
    ["a pinned file", "a file removed", "a file made a link", "a file made a folder", "an editable file made a link"],
)
def test_an_agent_that_listens_to_the_reason_gets_its_change_through(tmp_path: Path, what: str) -> None:
    script = f"""
if "That was undone" not in prompt:
    put("ALPHA = 0.9", "ALPHA = 0.8")
    {ASTRAY[what]}
else:
    put("ALPHA = 0.9", "ALPHA = 0.8")
    assert (here / "prepare.py").read_text() == "BUDGET = 1\\n"
    assert (here / "program.md").read_text() == "Lower val_bpb.\\n"
hand_in(description="second thoughts")
"""
    stage = Stage(tmp_path, script)
    proposal = stage.agent.propose(stage.brief())
    assert proposal.files == {"train.py": TRAIN.replace("0.9", "0.8")}
    assert proposal.description == "second thoughts"


def test_what_it_leaves_behind_is_told_and_not_taken(tmp_path: Path) -> None:
    stage = Stage(
        tmp_path,
        GOOD + '(here / "notes.txt").write_text("n")\nos.mkdir("__pycache__")\nopen("__pycache__/t.pyc", "w")',
    )
    proposal = stage.agent.propose(stage.brief())
    assert set(proposal.files) == {"train.py"}
    assert [remark for remark in proposal.remarks if "notes.txt" in remark]
    assert not [remark for remark in proposal.remarks if "pyc" in remark]


def test_its_git_commands_never_reach_the_sessions_repository(tmp_path: Path) -> None:
    script = """
who = "-c user.name=a -c user.email=a@b "
put("ALPHA = 0.9", "ALPHA = 0.8")
for command in ("log --oneline", who + "commit -qam mine", "branch -f autoresearch/toy",
                "update-ref refs/overnight/x HEAD", "tag mine", "config core.hooksPath /nowhere", "gc -q --prune=now"):
    assert os.system("git " + command) == 0, command
put("BETA = 0.1", "BETA = 0.2")
os.system("git " + who + "stash -q && git stash pop -q")
"""
    stage = Stage(tmp_path, script)
    before = [
        stage.lab.git("for-each-ref"),
        stage.lab.git("config", "--list", "--local"),
        stage.lab.git("rev-parse", "HEAD"),
    ]
    proposal = stage.agent.propose(stage.brief())
    assert proposal.files["train.py"] == TRAIN.replace("0.9", "0.8").replace("0.1", "0.2")
    after = [
        stage.lab.git("for-each-ref"),
        stage.lab.git("config", "--list", "--local"),
        stage.lab.git("rev-parse", "HEAD"),
    ]
    assert before == after
    assert not stage.lab.git("worktree", "list", "--porcelain").count("worktree ") > 1
    stage.lab.git("fsck", "--strict")


def test_it_mends_its_own_change_not_the_champion(tmp_path: Path) -> None:
    stage = Stage(tmp_path, 'put("ALPHA = 0.8x", "ALPHA = 0.8")')
    mend = Mend(1, {"train.py": TRAIN.replace("0.9", "0.8x")}, "syntax_error", "SyntaxError: invalid decimal literal")
    proposal = stage.agent.propose(stage.brief(mend=mend))
    assert proposal.files == {"train.py": TRAIN.replace("0.9", "0.8")}
    assert proposal.params == {"ALPHA": ("0.9", "0.8")}
    assert "invalid decimal literal" in stage.prompt()


def test_the_champions_commit_is_what_it_sees_whatever_lies_in_the_session(tmp_path: Path) -> None:
    stage = Stage(tmp_path, 'assert "operator" not in (here / "program.md").read_text()\n' + GOOD)
    brief = stage.brief()
    (stage.lab.root / "program.md").write_text("the operator is editing this\n")
    assert stage.agent.propose(brief).description == "ALPHA 0.9 to 0.8"


def test_a_change_of_the_session_itself_is_found_and_told(tmp_path: Path) -> None:
    target = tmp_path / "toy" / "prepare.py"
    stage = Stage(tmp_path, GOOD + f'open({str(target)!r}, "w").write("BUDGET = 9\\n")')
    with pytest.raises(ResearcherFailed, match=r"prepare\.py changed in .* outside of its work tree"):
        stage.agent.propose(stage.brief())


def test_a_work_tree_left_by_a_killed_engine_is_cleared(tmp_path: Path) -> None:
    stage = Stage(tmp_path, GOOD)
    stale = stage.lab.paths.private / "agent" / "0007" / "deep"
    stale.mkdir(parents=True)
    (stale / "file").touch(mode=0o400)
    stale.chmod(0o500)
    type(stage.agent)(stage.lab.root, stage.settings)
    assert not stale.parent.exists()


def test_nothing_behind_a_link_in_place_of_a_folder_inside_is_ever_touched(tmp_path: Path) -> None:
    kept = tmp_path / "elsewhere" / "before" / "precious"
    kept.parent.mkdir(parents=True)
    kept.write_text("mine")
    link = f"import shutil\nshutil.rmtree('hooks')\nos.symlink({str(tmp_path / 'elsewhere')!r}, 'hooks')"
    stage = Stage(tmp_path, f'put("0.9", "0.8")\n{link}')
    (stage.lab.root / "hooks").mkdir()
    (stage.lab.root / "hooks" / "before").write_text("#!/bin/sh\n")
    stage.lab.git("add", "-A")
    stage.lab.git("commit", "-qm", "session: a hook")
    with pytest.raises(ResearcherFailed, match="hooks/before, which is not yours"):
        stage.agent.propose(stage.brief())
    assert kept.read_text() == "mine"
    assert list((tmp_path / "elsewhere").iterdir()) == [kept.parent]


ODD = {
    "a hand-in that is a folder": 'os.mkdir("PROPOSAL.json")',
    "names that are no text": r'open(b"\xff\n\x1b[31m", "w")',
    "words of code as names of files": '[open(name, "w") for name in ("A", "print", "float", "o.py")]',
    "folders deeper than a path can say": 'for _ in range(40):\n    os.mkdir("d" * 200); os.chdir("d" * 200)',
}


@pytest.mark.parametrize("what", ODD)
def test_what_an_agent_leaves_costs_neither_its_change_nor_the_engine(tmp_path: Path, what: str) -> None:
    stage = Stage(tmp_path, f'put("ALPHA = 0.9", "ALPHA = 0.8")\n{ODD[what]}')
    proposal = stage.agent.propose(stage.brief())
    assert proposal.files == {"train.py": TRAIN.replace("0.9", "0.8")}
    assert all(remark.isprintable() for remark in proposal.remarks)
    assert stage.untouched()


def test_a_file_of_endless_size_is_never_read(tmp_path: Path) -> None:
    stage = Stage(tmp_path, 'open("train.py", "ab").truncate(1 << 40)')
    with pytest.raises(ResearcherFailed, match="at most 1048576"):
        stage.agent.propose(stage.brief())
    assert stage.untouched()
