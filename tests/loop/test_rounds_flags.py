"""A train.py that takes its settings as command-line flags grows too."""

from pathlib import Path

from engine.session import growthread
from tests.loop.lab import Lab

BENCHMARK = """"$OVERNIGHT_PYTHON" train.py $(grep -v '^#' train.args) > run.log 2>&1 || exit
sed -n 's/^\\(.*\\): \\(.*\\)/METRIC \\1=\\2/p' run.log
"""

TRAIN = """import argparse

parser = argparse.ArgumentParser()
parser.add_argument("--n_layer", type=int, default=1)
parser.add_argument("--mlp_size_layerlist", type=int, nargs="+")
args = parser.parse_args()
if len(args.mlp_size_layerlist) != args.n_layer:
    raise SystemExit("a list entry is missing")
loss = 2 / args.n_layer + sum(8 / size for size in args.mlp_size_layerlist) / args.n_layer
print(f"val_bpb: {loss / 2:.9f}")
print(f"val_loss: {loss:.9f}")
print(f"num_params_M: {sum(args.mlp_size_layerlist) / 1000}")
"""

SETTINGS = """[gate]
jump = 0

[researcher]
kind = "grow"

[scope]
editable = ["train.args"]
pinned = ["prepare.py", "pyproject.toml", "autoresearch.sh"]

[grow]
how = "flags"
layers = "each"
rounds = 2
parameters = {n_layer = 1, mlp_size_layerlist = 16}
"""


def test_flags_in_a_file_grow_layer_by_layer(tmp_path: Path) -> None:
    made = Lab(tmp_path / "toy", BENCHMARK, SETTINGS)
    (made.root / "train.py").write_text(TRAIN)
    (made.root / "train.args").write_text("# grown by the search\n--n_layer 2 --mlp_size_layerlist 16 32\n")
    made.git("add", "-A")
    made.git("commit", "-qm", "session: flags")
    done = made.overnight("start", "--foreground", str(made.root))
    assert done.returncode == 0, done.stderr
    state = made.state()
    keys = [one.key for one in state.rounds[0].candidates]
    assert keys == [
        "n_layer=3, layer 0 copied",
        "n_layer=3, layer 1 copied",
        "mlp_size_layerlist[0]=32",
        "mlp_size_layerlist[1]=48",
    ]
    assert all(e.metric is not None for e in state.experiments), [e.reason for e in state.experiments]
    # copying the small layer: 2/3 + 8(1/16+1/16+1/32)/3 for 16 more of size, the best ratio there is
    first = state.experiments[(state.rounds[0].chosen or 0) - 1]
    assert first.candidate == "n_layer=3, layer 0 copied"
    kept = made.git("show", f"{first.commit}:train.args")
    assert kept == "# grown by the search\n--n_layer 3 --mlp_size_layerlist 16 16 32\n"
    log = growthread.load(made.paths.growth_log)
    assert log["iterations"][1]["chosen"]["value"] == {"dup": 0, "new_layers": 3}
    assert log["iterations"][1]["baseline_config_after"]["mlp_size_layerlist"] == [16, 16, 32]
