"""The command `overnight`: finds the verb, loads its module only, turns what goes wrong into a sentence and a code."""

import importlib
import os
import sys
from collections.abc import Sequence

from engine.cli.trouble import DONE, INTERRUPTED, Usage, code_of
from engine.cli.verbs import VERBS, help_text


def main(argv: Sequence[str] | None = None) -> int:
    """Run `argv` (default: the process's) and return the exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        code = _dispatch(words)
        sys.stdout.flush()
        return code
    except SystemExit as leaving:  # argparse, after --help
        return leaving.code if isinstance(leaving.code, int) else DONE
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # The reader has seen enough (overnight log | head). Point stdout away, or the interpreter complains at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except Exception as error:
        code_or_none = code_of(error)
        if code_or_none is None:
            raise
        _tell(error, code_or_none, "--json" in words)
        return code_or_none


def _dispatch(words: list[str]) -> int:
    leading: list[str] = []
    while words and words[0].startswith("--sessions"):
        count = 1 if words[0].startswith("--sessions=") else 2
        if len(words) < count:
            raise Usage("--sessions needs a folder: overnight --sessions DIR VERB …")
        leading, words = [*leading, *words[:count]], words[count:]
    if words and words[0] in ("-h", "--help", "help"):
        print(help_text())
        return DONE
    if words and words[0] == "--version":
        from importlib.metadata import version

        print(f"overnight {version('overnight')}")
        return DONE
    if not words or words[0].startswith("-"):
        return _console([*words, *leading])
    verb = VERBS.get(words[0])
    if verb is None:
        raise Usage(f"overnight has no verb {words[0]!r}{_nearest(words[0])}; overnight --help lists them")
    if not verb.module:
        return _console([verb.name, *words[1:], *leading])

    rest = words[1:]
    if verb.name == "swarm":
        from engine.cli.swarm.actions import action
        from engine.cli.swarm.actions import help_text as actions

        if not rest or rest[0] in ("-h", "--help", "help"):
            print(actions())
            return DONE
        verb, rest = action(rest)

    from engine.cli.output import Output
    from engine.cli.parsing import parser_for

    module = importlib.import_module(f"engine.cli.{verb.module}")
    parser = parser_for(verb.name, verb.summary)
    module.arguments(parser, verb.name)
    args = parser.parse_intermixed_args([*leading, *rest])
    args.verb = verb.name
    code: int = module.run(args, Output(args.json))
    return code


def console_command(words: Sequence[str]) -> list[str]:
    """The command line of the console. `-P`: a session's own folder must not shadow our packages."""
    return [sys.executable, "-P", "-m", "tui", *words]


def _console(words: list[str]) -> int:
    command = console_command(words)
    sys.stdout.flush()
    os.execv(command[0], command)


def _nearest(word: str) -> str:
    import difflib

    near = difflib.get_close_matches(word, VERBS, n=1)
    return f" (did you mean {near[0]}?)" if near else ""


def _tell(error: Exception, code: int, json: bool) -> None:
    from engine.cli.output import Output

    text = str(error) or type(error).__name__
    out = Output(json)
    out.narrate(text if isinstance(error, Usage) else f"overnight: {text}")
    if json:
        out.document({"error": text, "code": code})


if __name__ == "__main__":
    sys.exit(main())
