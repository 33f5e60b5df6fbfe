"""What a training script has no business reaching for, by dotted name; and what of prepare.py is its to use."""

from __future__ import annotations

PINNED = ("prepare", "corpus", "device", "attention", "fused")
"""The pinned modules: data, measure and the machine."""

_OFFERED = (
    "BUDGET BUDGET_UNIT MAX_SEQ_LEN EVAL_TOKENS VOCAB_SIZE DATA TOKENIZER Batch Evaluation "
    "evaluate_bpb get_tokenizer training_batches"
)
_MACHINE = (
    "CAPABILITY COMPILED CPU_THREADS DEVICE DTYPE DTYPES WIDE_DTYPE STEPS_AHEAD DeviceError Later compiled "
    "evaluate_once evaluation_batch fail generate loss_scale memory_advice nats out_of_memory peak_flops peak_vram_mb "
    "random_batches save_weights softcap squared_relu start write_samples"
)
_ATTENTION = "BACKENDS PLAIN attend backend choose_attention make_masks plain"
OFFERED = {"corpus.CorpusError", *PINNED}.union(
    f"{module}.{name}"
    for module, names in (
        ("prepare", _OFFERED),
        ("device", _MACHINE),
        ("attention", _ATTENTION),
        ("fused", "USED squared_relu_mlp head_nats"),
    )
    for name in names.split(" ")
)
"""What the pinned modules offer to train.py; the rest is how they work inside."""

WORDS = {
    "modules": "how modules are found and loaded is fixed; import what you need by its name",
    "code": "it runs or inspects code behind the reader's back; write what you mean in plain code",
    "process": "a run is one program: it starts, signals and inspects no others",
    "network": "training has no network; everything it may use is prepared before",
    "data": "the data comes from training_batches and evaluate_bpb; no file of it is read, nor earlier weights",
    "file": "a run reads and writes no files of its own; what it has to say it prints",
    "clock": "the clock is not to be changed",
    "native": "no native code is called directly",
    "metric": "what is printed is how a run is measured; use print",
}

_REFUSED = {
    "modules": (
        "sys.modules sys.meta_path sys.path sys.path_hooks sys.path_importer_cache importlib imp runpy pkgutil "
        "zipimport site builtins.__import__ builtins.__loader__ builtins.__spec__"
    ),
    "code": (
        "builtins.exec builtins.eval builtins.compile builtins.globals builtins.locals builtins.__builtins__ "
        "builtins.__dict__ builtins.breakpoint sys.settrace sys.setprofile sys._getframe sys.addaudithook "
        "inspect.currentframe inspect.stack inspect.getmodule inspect.trace gc.get_objects gc.get_referrers "
        "gc.get_referents code codeop types.FunctionType types.CodeType marshal pickle unittest.mock atexit "
        "sys.__stdout__ threading.settrace"
    ),
    "process": (
        "subprocess os.system os.popen os.fork os.forkpty os.execv os.execve os.execvp os.execvpe os.execl os.execle "
        "os.execlp os.execlpe os.spawnv os.spawnve os.spawnvp os.spawnl os.spawnlp os.posix_spawn os.posix_spawnp "
        "os.kill os.killpg os.setsid os.dup2 os.write os._exit os.abort pty psutil multiprocessing "
        "torch.multiprocessing concurrent.futures.ProcessPoolExecutor asyncio.create_subprocess_exec "
        "asyncio.create_subprocess_shell"
    ),
    "network": (
        "socket socketserver ssl urllib.request http requests httpx aiohttp ftplib smtplib telnetlib websocket "
        "websockets xmlrpc paramiko torch.hub huggingface_hub datasets wandb asyncio.open_connection"
    ),
    "data": (
        "torch.load torch.from_file torch.jit.load numpy.load numpy.memmap numpy.fromfile numpy.loadtxt "
        "numpy.genfromtxt numpy.lib.format numpy.DataSource pyarrow pandas mmap sqlite3 safetensors linecache "
        "fileinput inspect.getsource torch.serialization torch.UntypedStorage torch.TypedStorage "
        "torch.PyTorchFileReader gzip bz2 lzma zipfile tarfile dbm tokenize.open os.read os.pread os.readv os.preadv"
    ),
    "file": (
        "os.open os.fdopen os.listdir os.scandir os.walk os.remove os.unlink os.rename os.replace os.mkdir os.makedirs "
        "os.symlink os.link os.chmod os.truncate os.mkfifo io.open io.FileIO codecs.open shutil.copy shutil.copyfile "
        "shutil.copytree shutil.move shutil.rmtree glob torch.save torch.jit.save numpy.save numpy.savez "
        "tempfile shelve"
    ),
    "clock": "time.clock_settime time.clock_settime_ns",
    "native": "ctypes cffi posix torch.utils.cpp_extension torch.ops.load_library torch.classes numpy.ctypeslib",
    "metric": "sys.stdout.buffer sys.stdout.detach contextlib.redirect_stdout",
}
REFUSED = {name: kind for kind, names in _REFUSED.items() for name in names.split(" ")}
ALLOWED = frozenset(
    {"importlib.util.find_spec", "importlib.metadata", "importlib", "importlib.util", "http.HTTPStatus"}
)
"""Exceptions. `importlib` alone only brings the name in."""

METHODS = {
    **dict.fromkeys(("read_text", "read_bytes", "iterdir", "rglob"), "data"),
    **dict.fromkeys(("write_text", "write_bytes", "unlink", "symlink_to", "hardlink_to", "touch", "tofile"), "file"),
}
"""Methods that only files have."""

INSIDES = frozenset(
    {"__subclasses__", "__globals__", "__code__", "__closure__", "__builtins__", "__loader__", "__mro__", "__bases__"}
    | {"__base__", "__defaults__", "__kwdefaults__"}
)
"""Attributes that lead from any object to what it is made of, past every name."""

SETTINGS = ("backends", "config", "deterministic", "_dynamo", "_inductor")
"""Parts of a library whose attributes are there to be set."""


def reached(dotted: str) -> tuple[str, str] | None:
    """The kind of thing that is reached for and its name in the table; None for what anybody may use."""
    if dotted in ALLOWED or dotted in OFFERED:
        return None
    if dotted.partition(".")[0] in PINNED and "(" not in dotted:
        inside = ".".join(dotted.split(".")[:2])
        return None if inside in OFFERED and not dotted.endswith("__") else ("data", inside)
    parts = dotted.split(".")
    for count in range(len(parts), 0, -1):
        name = ".".join(parts[:count])
        if name in ALLOWED and name.count(".") == 2:
            return None
        if name in REFUSED:
            return REFUSED[name], name
    return None
