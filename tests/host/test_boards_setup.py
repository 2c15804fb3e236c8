# SPDX-License-Identifier: MIT
"""tools/setup.sh and tools/get_micropython.sh on machines that lack something. Nothing is installed or fetched here:
commands that would are replaced."""

import os
import shutil
import subprocess

import pytest

from microt.boards.board import ROOT

TOOLS = ROOT / "tools"


@pytest.fixture
def machine(tmp_path):
    """machine(*missing, **commands): an environment without some commands and with others, shell scripts, instead."""

    def machine(*missing, **commands):
        folder = tmp_path / "bin"
        folder.mkdir()
        for directory in os.environ["PATH"].split(os.pathsep):
            for name in os.listdir(directory) if os.path.isdir(directory) else []:
                if name not in missing and name not in commands and not (folder / name).exists():
                    (folder / name).symlink_to(os.path.join(directory, name))
        for name, script in commands.items():
            (folder / name).write_text(f"#!/bin/sh\n{script}\n")
            (folder / name).chmod(0o755)
        environment = {key: value for key, value in os.environ.items() if not key.startswith(("MICRO", "DEB_"))}
        return {**environment, "PATH": str(folder), "MICROT_CACHE": str(tmp_path / "cache")}

    return machine


def run(script, environment):
    return subprocess.run(["/bin/sh", script], env=environment, capture_output=True, text=True)


def test_get_uses_the_users_checkout(tmp_path, machine):
    (tmp_path / "mine" / "py").mkdir(parents=True)
    (tmp_path / "mine" / "py" / "mpconfig.h").touch()
    result = run(TOOLS / "get_micropython.sh", machine() | {"MICROPYTHON_DIR": str(tmp_path / "mine")})
    assert (result.returncode, result.stdout, result.stderr) == (0, f"{tmp_path / 'mine'}\n", "")


def test_get_refuses_a_folder_that_is_no_checkout(tmp_path, machine):
    result = run(TOOLS / "get_micropython.sh", machine() | {"MICROPYTHON_DIR": str(tmp_path)})
    assert result.returncode == 3 and result.stdout == ""
    assert f"expected a MicroPython source tree, found no py/mpconfig.h in {tmp_path}" in result.stderr


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    """A stand-in for MicroPython's repository, made from the tree that is here, with the version's tag."""
    from microt.boards import firmware

    try:
        tree = firmware.micropython(log=lambda line: None)
    except RuntimeError as error:
        pytest.skip(str(error).splitlines()[0])
    folder = tmp_path_factory.mktemp("upstream") / "micropython"
    for part in ("py", "extmod", "shared", "mpy-cross", "ports/unix"):
        shutil.copytree(tree / part, folder / part, symlinks=True)
    commit(folder, "init", "-q")
    return folder


def commit(folder, *first):
    """Commits all files of a folder under the version's tag."""
    identity = ["-c", "user.name=test", "-c", "user.email=test@example.org"]
    for command in (first, ["add", "-A", "-f"], [*identity, "commit", "-qm", "all"], ["tag", "-f", "v1.25.0"]):
        if command:
            subprocess.run(["git", "-C", folder, *command], check=True, stdout=subprocess.DEVNULL)


def test_get_clones_where_there_is_no_debian_archive(machine, repository, tmp_path):
    environment = machine("apt-get") | {"MICROPYTHON_GIT": f"file://{repository}"}
    for said in (f"from file://{repository} into", ""):
        result = run(TOOLS / "get_micropython.sh", environment)
        assert result.returncode == 0 and result.stdout == f"{tmp_path}/cache/micropython-1.25.0\n", result.stderr
        assert said in result.stderr and bool(said) == bool(result.stderr)


def test_get_refuses_a_repository_with_other_files(machine, repository, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(repository, other, symlinks=True)
    (other / "py" / "gc.c").write_text("// not MicroPython's\n")
    commit(other)
    result = run(TOOLS / "get_micropython.sh", machine("apt-get") | {"MICROPYTHON_GIT": f"file://{other}"})
    assert result.returncode == 3 and result.stdout == ""
    assert "expected hash a62fb710" in result.stderr and "MICROPYTHON_DIR" in result.stderr
    assert os.listdir(tmp_path / "cache") == []


def test_get_without_archive_and_network(machine, tmp_path):
    environment = machine("apt-get", git="echo could not resolve host >&2; exit 128")
    result = run(TOOLS / "get_micropython.sh", environment)
    assert result.returncode == 3 and result.stdout == ""
    assert "git clone failed (offline?)" in result.stderr and "could not resolve host" in result.stderr
    assert os.listdir(tmp_path / "cache") == []


needs_dpkg = pytest.mark.skipif(not shutil.which("dpkg-source"), reason="needs dpkg-dev")
INDEX = "[ $1 = indextargets ] && echo 'Debian|Debian|http://archive.invalid/debian/' && exit\n"


@needs_dpkg
def test_get_offline(machine, tmp_path):
    apt = INDEX + 'case "$*" in *" update") echo "Could not resolve archive.invalid"; exit 100;; esac'
    environment = machine(**{"apt-get": apt}) | {"DEB_KEYRING": str(ROOT / "LICENSE")}
    result = run(TOOLS / "get_micropython.sh", environment)
    assert result.returncode == 3 and result.stdout == ""
    assert "Could not resolve archive.invalid" in result.stderr and "offline" in result.stderr
    assert os.listdir(tmp_path / "cache") == []


@needs_dpkg
def test_get_refuses_a_tarball_with_another_hash(machine, tmp_path):
    apt = INDEX + 'case "$*" in *" source "*) echo bad > micropython_1.25.0+ds.orig.tar.xz;; esac'
    environment = machine(**{"apt-get": apt}) | {"DEB_KEYRING": str(ROOT / "LICENSE")}
    result = run(TOOLS / "get_micropython.sh", environment)
    assert result.returncode == 3 and result.stdout == ""
    assert "expected SHA-256 7b25be99" in result.stderr and ", got " in result.stderr
    assert os.listdir(tmp_path / "cache") == []


# The fetched tree of MicroPython that get_pico_sdk.sh completes: only what it looks at.
@pytest.fixture
def cache(tmp_path):
    tree = tmp_path / "cache" / "micropython-1.25.0"
    for library in ("tinyusb", "mbedtls"):
        (tree / "lib" / library).mkdir(parents=True)
    sha256 = next(line for line in open(TOOLS / "get_micropython.sh") if line.startswith("sha256=")).strip()
    (tree / ".microt-sha256").write_text(sha256.removeprefix("sha256="))
    return tree.parent


SDK_PACKAGES = "pico-sdk-source_2.1.1-1_all.deb tinyusb-source_0.18.0+dfsg-1_all.deb"


@needs_dpkg
def test_pico_sdk_offline(machine, cache):
    apt = INDEX + 'case "$*" in *" update") echo "Could not resolve archive.invalid"; exit 100;; esac'
    environment = machine(**{"apt-get": apt}) | {"DEB_KEYRING": str(ROOT / "LICENSE")}
    result = run(TOOLS / "get_pico_sdk.sh", environment)
    assert result.returncode == 3 and result.stdout == ""
    assert "Could not resolve archive.invalid" in result.stderr and "offline" in result.stderr
    assert "make -C micropython/ports/rp2 BOARD=RPI_PICO2 submodules, then set MICROPYTHON_DIR" in result.stderr
    assert os.listdir(cache) == ["micropython-1.25.0"]


@needs_dpkg
def test_pico_sdk_with_another_hash(machine, cache):
    apt = INDEX + f'case "$*" in *" download "*) for f in {SDK_PACKAGES}; do echo bad > $f; done;; esac'
    environment = machine(**{"apt-get": apt}) | {"DEB_KEYRING": str(ROOT / "LICENSE")}
    result = run(TOOLS / "get_pico_sdk.sh", environment)
    assert result.returncode == 3 and result.stdout == ""
    assert "pico-sdk-source_2.1.1-1_all.deb: expected SHA-256 507a3ca3" in result.stderr
    assert os.listdir(cache) == ["micropython-1.25.0"]


def test_pico_sdk_without_an_archive(machine, cache):
    result = run(TOOLS / "get_pico_sdk.sh", machine("apt-get"))
    assert result.returncode == 3 and "names no Debian archive (set DEB_MIRROR to one)" in result.stderr


def test_pico_sdk_that_is_there_is_linked_into_the_tree(machine, cache):
    kept = cache / "pico-sdk-2.1.1"
    for file in ("pico-sdk/pico_sdk_init.cmake", "tinyusb/src/tusb.h", "mbedtls/library/ssl_tls.c"):
        (kept / file).parent.mkdir(parents=True, exist_ok=True)
        (kept / file).touch()
    sha256 = next(line for line in open(TOOLS / "get_pico_sdk.sh") if line.startswith("sdk_sha256=")).strip()
    (kept / ".microt-sha256").write_text(sha256.removeprefix("sdk_sha256="))
    environment = machine("apt-get")
    for _ in range(2):
        result = run(TOOLS / "get_pico_sdk.sh", environment)
        assert (result.returncode, result.stdout, result.stderr) == (0, f"{kept}/pico-sdk\n", "")
        assert (cache / "micropython-1.25.0" / "lib" / "tinyusb" / "src" / "tusb.h").is_file()
    other = kept.parent / "sdk"
    other.mkdir()
    result = run(TOOLS / "get_pico_sdk.sh", environment | {"PICO_SDK_PATH": str(other)})
    assert result.returncode == 3 and f"found no pico_sdk_init.cmake in {other}" in result.stderr
    (other / "pico_sdk_init.cmake").touch()
    result = run(TOOLS / "get_pico_sdk.sh", environment | {"PICO_SDK_PATH": str(other)})
    assert (result.returncode, result.stdout) == (0, f"{other}\n")


def test_setup_for_a_board_asks_for_what_its_firmware_needs(machine):
    gcc = f'case "$*" in *libstdc++.a*) echo libstdc++.a;; *) exec {shutil.which("arm-none-eabi-gcc")} "$@";; esac'
    missing = {"id": "echo 1000", "sudo": "exit 1", "apt-get": "exit 1", "arm-none-eabi-gcc": gcc}
    result = run_setup(machine("cmake", "clang", **missing), "RPI_PICO2", "clang")
    assert result.returncode == 3
    assert result.stderr == (
        "setup: run: sudo apt-get install --no-install-recommends clang cmake libstdc++-arm-none-eabi-newlib \n"
    )


def test_setup_for_the_risc_v_board(machine):
    missing = {"id": "echo 1000", "sudo": "exit 1", "apt-get": "exit 1"}
    result = run_setup(machine("qemu-system-riscv32", "riscv64-unknown-elf-gcc", **missing), "VIRT_RV32")
    assert result.returncode == 3
    packages = "gcc-riscv64-unknown-elf picolibc-riscv64-unknown-elf qemu-system-misc"
    assert result.stderr == f"setup: run: sudo apt-get install --no-install-recommends {packages} \n"


def test_setup_for_a_board_that_is_not_there(machine):
    result = run_setup(machine(), "PYBOARD")
    assert (result.returncode, result.stderr) == (2, "setup: expected a folder of boards/, got PYBOARD\n")


def run_setup(environment, *arguments):
    return subprocess.run(["/bin/sh", TOOLS / "setup.sh", *arguments], env=environment, capture_output=True, text=True)


def test_setup_says_in_one_line_what_to_install(machine):
    environment = machine("uncrustify", "qemu-system-arm", id="echo 1000", sudo="exit 1", **{"apt-get": "exit 1"})
    result = run(TOOLS / "setup.sh", environment)
    assert result.returncode == 3
    assert result.stderr == "setup: run: sudo apt-get install --no-install-recommends qemu-system-arm uncrustify \n"


def test_setup_installs_as_root(machine, tmp_path):
    log = tmp_path / "log"
    environment = machine("uncrustify", id="echo 0", **{"apt-get": f'echo "$*" >> {log}; [ $2 != install ]'})
    result = run(TOOLS / "setup.sh", environment)
    assert result.returncode == 3 and "apt-get could not install: uncrustify" in result.stderr
    assert log.read_text().splitlines() == ["-q update", "-q install -y --no-install-recommends uncrustify"]


def test_setup_refuses_a_python_without_tensorflow(machine):
    environment = machine(python3_9='[ "$1" = -V ] && echo "Python 3.9.2"; exit 1') | {"PYTHON": "python3_9"}
    result = run(TOOLS / "setup.sh", environment)
    assert result.returncode == 3
    assert result.stderr == "setup: PYTHON: expected Python 3.10 to 3.13 (TensorFlow's), got Python 3.9.2\n"
