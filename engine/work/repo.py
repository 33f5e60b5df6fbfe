"""A session's repository: experiments committed, taken back and found again, and nothing of the operator's lost.

Editable files are stored byte for byte, whatever attributes the repository has. What the operator staged or committed
besides is never swept into an experiment's commit. Each operation starts two processes of git at most.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from pathlib import Path

from engine.work import gitlocks, worktree
from engine.work.export import export, link_rest
from engine.work.gittree import EXECUTABLE, FILE, Entry, changed_tree, entry_at
from engine.work.plumbing import GitTrouble, Plumbing, git_folders, object_id

__all__ = ["GitTrouble", "Repo", "ref_name"]

TRAILER = "Overnight-Run"
UNFINISHED = {
    "MERGE_HEAD": ("a merge", "git merge --abort"),
    "rebase-merge": ("a rebase", "git rebase --abort"),
    "rebase-apply": ("a rebase", "git rebase --abort"),
    "CHERRY_PICK_HEAD": ("a cherry-pick", "git cherry-pick --abort"),
    "REVERT_HEAD": ("a revert", "git revert --abort"),
}


def ref_name(session: str) -> str:
    """`session` as one part of a reference's name."""
    name = re.sub(r"[\x00-\x20\x7f~^:?*\[\\/]+|\.{2,}|@\{", "-", session).strip(".-").removesuffix(".lock")
    return name or "session"


class Repo:
    """The repository whose work tree is `root`, on the branch it is on. Errors of all methods: GitTrouble, OSError."""

    def __init__(self, root: Path, session: str) -> None:
        self.root = root.absolute()
        self.refs = f"refs/overnight/{ref_name(session)}"
        self._git = Plumbing(self.root)
        self._checked_head: bytes | None = None

    def check(self) -> None:
        """Errors: GitTrouble where experiments cannot be committed, with what to do about it."""
        self._git.check_version()
        if git_folders(self.root) is None:
            raise GitTrouble(f"{self.root} is not a git repository (of its own); `overnight new` makes sessions")
        for name, (what, mend) in UNFINISHED.items():
            if (self._git.git_dir / name).exists():
                raise GitTrouble(f"{self.root}: {what} is in progress; finish it, or take it back with `{mend}`")
        if self._git.run("rev-parse", "--show-object-format").strip() != b"sha1":
            raise GitTrouble(f"{self.root}: its objects are named by SHA-256, which is not supported; use SHA-1")
        if not self._git.run("symbolic-ref", "-q", "HEAD", allowed=(0, 1)).strip():
            raise GitTrouble(f"{self.root}: HEAD is detached (on no branch); `git switch BRANCH` goes back to one")
        if self._git.resolve("HEAD") is None:
            raise GitTrouble(f"{self.root}: branch {self.branch()} has no commit yet; commit its files first")
        self._checked_head = self._head_file()

    def check_branch(self) -> None:
        """Errors: GitTrouble where HEAD was switched to another branch, or to none, since `check`."""
        if self._checked_head is None or self._head_file() == self._checked_head:
            return
        before = self._checked_head.decode("utf-8", "replace").strip().removeprefix("ref: refs/heads/")
        now = self._head_file().decode("utf-8", "replace").strip()
        told = f"on {now.removeprefix('ref: refs/heads/')}" if now.startswith("ref:") else "detached (on no branch)"
        raise GitTrouble(
            f"{self.root}: HEAD is {told} now, and was on {before} when the engine started;"
            f" `git switch {before}` goes back, then start again"
        )

    def _head_file(self) -> bytes:
        return (self._git.git_dir / "HEAD").read_bytes()

    def close(self) -> None:
        """Let go of git's reading process; the next reading starts another."""
        self._git.close()

    def head(self) -> str:
        """The commit that HEAD names."""
        found = self._git.resolve("HEAD")
        if found is None:
            self.check()
            raise GitTrouble(f"{self.root}: HEAD names no commit")
        return found

    def branch(self) -> str:
        """The branch's short name."""
        return self._text("symbolic-ref", "--short", "HEAD").strip()

    def text_at(self, commit: str, file: str) -> str | None:
        """A file's text in a commit (bytes that are no UTF-8 as surrogates); None where it is not there."""
        data = self._git.read(f"{commit}:{file}")
        return None if data is None else data.decode("utf-8", "surrogateescape")

    def files_at(self, commit: str, names: Collection[str]) -> dict[str, str]:
        """The texts of those of `names` that are in the commit."""
        texts = {name: self.text_at(commit, name) for name in names}
        return {name: text for name, text in texts.items() if text is not None}

    def run_of(self, commit: str) -> int | None:
        """The run whose experiment a commit is, by its trailer."""
        last = self._message(commit).rstrip().rpartition("\n\n")[2]
        found = re.findall(rf"^{TRAILER}: (\d+)$", last, re.MULTILINE)
        return int(found[-1]) if found else None

    def changed_files(self) -> list[str]:
        """Tracked files that differ from HEAD, in the work tree or staged."""
        options = ("--no-ext-diff", "--no-renames", "--ignore-submodules", "--name-only", "-z")
        return self._names("diff", *options, "HEAD")

    def dirty(self, names: Collection[str]) -> list[str]:
        """Those of `names` whose work tree or index differs from HEAD: changed, missing, staged or untracked."""
        if not names:
            return []
        staged = self._names("diff-index", "--cached", "--name-only", "-z", "HEAD", "--", *names)
        differing = [name for name in names if not self._same(self._now(name), self._entry("HEAD", name))]
        if differing:  # in other bytes; git's own opinion counts where attributes convert line ends
            changed = set(self._names("diff", "--no-ext-diff", "--name-only", "-z", "HEAD", "--", *differing))
            differing = [name for name in differing if name in changed or self._entry("HEAD", name) is None]
        return [name for name in names if name in staged or name in differing]

    def write(self, files: Mapping[str, str]) -> None:
        """Put texts into the work tree, each at once; an empty text removes the file."""
        for name, text in files.items():
            if text:
                worktree.write_file(self.root, name, text.encode("utf-8", "surrogateescape"))
            else:
                worktree.remove_file(self.root, name)

    def commit_experiment(self, run: int, description: str, files: Mapping[str, str]) -> str:
        """Write the files and commit them, and only them; the run's reference names the commit. Returns it."""
        self.write(files)
        entries = {name: self._stored(name) for name in files}
        subject = " ".join(description.split()) or "no description"
        message = f"experiment: {subject}\n\n{TRAILER}: {run}"
        return self._commit(entries, message, also=self._run_ref(run))

    def set_run_ref(self, run: int, commit: str) -> None:
        """Let the run's reference name `commit`."""
        if self._git.resolve(self._run_ref(run)) != commit:
            self._git.run("update-ref", self._run_ref(run), commit)

    def restore(self, commit: str, names: Collection[str], subject: str, body: str) -> str:
        """Commit on HEAD with `names` as in `commit` and all else as HEAD has it; the work tree follows.

        Returns the new HEAD, or HEAD as it was when it already agrees. Checked before it returns.
        """
        if self._git.resolve(commit) is None:
            raise GitTrouble(f"{self.root}: commit {commit} is gone; `git fsck` may find out why")
        entries = {name: self._entry(commit, name) for name in names}
        for name, entry in entries.items():
            self._put(name, entry)
        head = self.head()
        if any(self._entry(head, name) != entry for name, entry in entries.items()):
            head = self._commit(entries, f"{subject}\n\n{body}")
        else:
            self._stage(entries)
        for name, entry in entries.items():
            if self._entry("HEAD", name) != entry or not self._same(self._now(name), entry):
                raise GitTrouble(
                    f"{self.root}: {name} should be as in {commit[:7]} and is not; does another program write it? "
                    f"Nothing is lost: `git show {commit[:7]}:{name}` has it"
                )
        return head

    def revert_experiment(self, experiment_commit: str, champion_commit: str, names: Collection[str]) -> str:
        """`restore` the champion's files, in the words of `git revert`."""
        subject = self._message(experiment_commit).partition("\n")[0]
        body = f"This reverts commit {experiment_commit}."
        return self.restore(champion_commit, names, f'Revert "{subject}"', body)

    def put_back(self, names: Collection[str]) -> None:
        """Set files of the work tree (and the index) to HEAD's; one that HEAD has not is left alone."""
        known = [name for name in names if self._entry("HEAD", name)]
        if known:
            self._git.run("checkout", "-q", "HEAD", "--", *known)

    def rescue(self, names: Collection[str], why: str) -> str | None:
        """Save what differs from HEAD in `names` under a reference, which is returned; nothing else changes."""
        names = self.dirty(names)
        if not names:
            return None
        parents = [self.head()]
        now = {name: self._stored(name) for name in names}
        staged = self._staged(names)
        if any(staged[name] not in (now[name], self._entry("HEAD", name)) for name in names):
            tree = changed_tree(self._git, "HEAD^{tree}", staged)
            parents.append(self._git.commit_object(tree, [parents[0]], f"rescue: staged: {why}"))
        commit = self._git.commit_object(changed_tree(self._git, "HEAD^{tree}", now), parents, f"rescue: {why}")
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
        ref = f"{self.refs}/rescue/{stamp}"
        self._git.run("update-ref", ref, commit, "0" * 40)
        return ref

    def commit_session(
        self,
        message: str,
        names: Collection[str] | None = None,
        exclude: Collection[str] = (),
        only: Collection[str] | None = None,
    ) -> str | None:
        """Commit changed tracked files, and `names` even if untracked or ignored, as `session: MESSAGE`.

        Never those in `exclude`; of the tracked ones only those in `only`, when given (a name ending in "/" stands for
        a folder). Returns the commit; None when nothing had changed.
        """
        new = [name for name in names or () if name not in exclude and worktree.read_file(self.root, name)]
        new = [name for name in new if self._entry("HEAD", name) is None]
        changed = self.changed_files()
        folders = tuple(name for name in only or () if name.endswith("/"))
        if only is not None:
            changed = [name for name in changed if name in only or name.startswith(folders)]
        paths = [name for name in changed if name not in exclude and name not in new] + new
        if not paths:
            return None
        self.check_branch()
        self._git.people()  # so that the fallback identity is set
        if new:
            self._git.run("add", "-f", "--", *new)
        subject = f"session: {' '.join(message.split())}".encode("utf-8", "replace")
        self._git.run(
            "commit", "-q", "--no-verify", "--cleanup=verbatim", "-F", "-", "--only", "--", *paths, stdin=subject
        )
        return self.head()

    def diff(self, a: str, b: str, names: Collection[str] = ()) -> str:
        """Unified diff of `names` (all files when empty) from commit `a` to `b`."""
        return self._text("diff-tree", "-r", "-p", "--no-ext-diff", "--no-textconv", "--no-renames", a, b, "--", *names)

    def numstat(self, a: str, b: str, names: Collection[str] = ()) -> dict[str, tuple[int, int]]:
        """Lines added and removed by file from `a` to `b`; a binary file counts 0, 0."""
        lines = self._names("diff-tree", "-r", "-z", "--numstat", "--no-renames", a, b, "--", *names)
        parts = [line.split("\t", 2) for line in lines]
        return {name: (int(plus), int(minus)) if plus != "-" else (0, 0) for plus, minus, name in parts}

    def changed_names(self, a: str, b: str) -> list[str]:
        """Files that differ between two commits."""
        return self._names("diff-tree", "-r", "-z", "--name-only", "--no-renames", a, b)

    def export(self, commit: str, folder: Path) -> None:
        """The commit's files in `folder`, with links to what the work tree has beside git's."""
        tracked = set(self._names("ls-tree", "-r", "-z", "--name-only", "HEAD"))
        export(self._git, commit, folder)
        link_rest(self.root, folder, tracked)

    def uncommitted(self, names: Collection[str]) -> str:
        """Unified diff of `names` from HEAD to the work tree."""
        return self._text("diff", "--no-ext-diff", "--no-textconv", "--no-renames", "HEAD", "--", *names)

    def remote(self) -> str:
        """The address of the first remote that is written down; "" where there is none."""
        found = self._git.run("config", "--get-regexp", r"^remote\..*\.url$", allowed=(0, 1)).decode("utf-8", "replace")
        return found.split("\n", 1)[0].partition(" ")[2]

    def clear_stale_lock(self) -> bool:
        """Remove locks that a killed git left; True when there was one. Never while a git runs here."""
        return gitlocks.clear_stale(self._git, self.refs)

    def collect(self) -> None:
        """Pack a night's loose objects when they are many; nothing unreachable is thrown away."""
        keep = ("-c", "gc.pruneExpire=never", "-c", "gc.reflogExpire=never", "-c", "gc.worktreePruneExpire=never")
        self._git.run("-c", "gc.auto=3000", "-c", "gc.autoDetach=false", *keep, "gc", "--auto", "--quiet")

    def _run_ref(self, run: int) -> str:
        return f"{self.refs}/runs/{run:04d}"

    def _text(self, *arguments: str) -> str:
        return self._git.run(*arguments).decode("utf-8", "replace")

    def _names(self, *arguments: str) -> list[str]:
        return [name for name in self._git.run(*arguments).decode("utf-8", "surrogateescape").split("\0") if name]

    def _message(self, commit: str) -> str:
        data = self._git.read(f"{commit}^{{commit}}")
        if data is None:
            raise GitTrouble(f"{self.root}: there is no commit {commit}")
        return data.partition(b"\n\n")[2].decode("utf-8", "replace")

    def _entry(self, commit: str, name: str) -> Entry | None:
        return entry_at(self._git, commit, name)

    def _now(self, name: str) -> Entry | None:
        found = worktree.read_file(self.root, name)
        return Entry(found[0], object_id("blob", found[1])[0]) if found else None

    def _same(self, a: Entry | None, b: Entry | None) -> bool:
        # The executable bit is not compared: some file systems have none.
        return a == b or (a is not None and b is not None and a.oid == b.oid and {a.mode, b.mode} == {FILE, EXECUTABLE})

    def _stored(self, name: str) -> Entry | None:
        found = worktree.read_file(self.root, name)
        return Entry(found[0], self._git.store("blob", found[1])) if found else None

    def _put(self, name: str, entry: Entry | None) -> None:
        if self._same(self._now(name), entry):
            return
        if entry is None:
            worktree.remove_file(self.root, name)
        else:
            worktree.write_file(self.root, name, self._git.read(entry.oid) or b"", entry.mode)

    def _staged(self, names: Collection[str]) -> dict[str, Entry | None]:
        entries: dict[str, Entry | None] = dict.fromkeys(names)
        for line in self._names("ls-files", "-s", "-z", "--", *names):
            about, _, name = line.partition("\t")
            mode, oid, _ = about.split()
            entries[name] = Entry(int(mode, 8), oid)
        return entries

    def _stage(self, entries: Mapping[str, Entry | None]) -> None:
        lines = [
            f"{entry.mode:o} {entry.oid}\t{name}\0" if entry else f"0 {'0' * 40}\t{name}\0"
            for name, entry in entries.items()
        ]
        self._git.run("update-index", "-z", "--index-info", stdin="".join(lines).encode("utf-8", "surrogateescape"))

    def _commit(self, entries: Mapping[str, Entry | None], message: str, also: str = "") -> str:
        self.check_branch()
        head = self.head()
        commit = self._git.commit_object(changed_tree(self._git, "HEAD^{tree}", entries), [head], message)
        self._stage(entries)  # before HEAD moves: a crash between leaves a staged change, never a silent undoing
        moves = f"update HEAD\0{commit}\0{head}\0" + (f"update {also}\0{commit}\0\0" if also else "")
        reason = message.partition("\n")[0].encode("utf-8", "replace").decode()
        self._git.run("update-ref", "-m", reason.replace("\0", ""), "--stdin", "-z", stdin=moves.encode())
        return commit
