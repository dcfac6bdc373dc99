#!/usr/bin/env python3
"""Fetches the pinned ONNX Runtime shared library into .onnxruntime/ (git-ignored).

The library comes out of the official wheel, which pip downloads. The version and the digests are
in scripts/onnxruntime.txt. Run it as often as you like: it does nothing when the right library is
there. Where ORT_DYLIB_PATH is set, that library is used and nothing is fetched.

Needs Python 3.9 or newer, with pip, and nothing else.
"""

import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PINS = ROOT / "scripts" / "onnxruntime.txt"
TARGET = ROOT / ".onnxruntime"
STAMP = "stamp"  # holds the digest of the wheel that the folder was unpacked from

# (sys.platform, machine): the platform tag of the wheel, and what the library is called here.
PLATFORMS = {
    ("linux", "x86_64"): ("manylinux_2_28_x86_64", "libonnxruntime.so"),
    ("linux", "aarch64"): ("manylinux_2_28_aarch64", "libonnxruntime.so"),
    ("darwin", "arm64"): ("macosx_14_0_arm64", "libonnxruntime.dylib"),
}
WAY_OUT = "or set ORT_DYLIB_PATH to an ONNX Runtime library that you have"


class Refused(Exception):
    """Something a person has to change; its text is the one line that they see."""


def main():
    own = os.environ.get("ORT_DYLIB_PATH")
    if own:
        if not Path(own).is_file():
            raise Refused(f"ORT_DYLIB_PATH is set to {own}, but there is no such file; correct it or unset it")
        say(f"using the ONNX Runtime of ORT_DYLIB_PATH: {own}")
        return

    key = (sys.platform, platform.machine())
    if key not in PLATFORMS:
        known = ", ".join(f"{system} {machine}" for system, machine in PLATFORMS)
        raise Refused(
            f"no ONNX Runtime is pinned for {key[0]} {key[1]} (only for {known}); "
            "set ORT_DYLIB_PATH to a library built for this machine"
        )
    tag, library = PLATFORMS[key]
    if sys.platform == "linux" and not has_glibc(2, 28):
        raise Refused("the pinned ONNX Runtime needs glibc 2.28 or newer; set ORT_DYLIB_PATH to a library built for this machine")
    version, digest = pinned(*key)
    if is_there(library, digest):
        return

    if subprocess.run([sys.executable, "-m", "pip", "--version"], capture_output=True).returncode != 0:
        raise Refused(
            f"{sys.executable} has no pip, which fetches ONNX Runtime; "
            f"install it (Debian, Ubuntu: apt-get install python3-pip), {WAY_OUT}"
        )
    started = time.monotonic()
    # The staging folder lies beside the target, so that the last step is a rename on one file system.
    staging = Path(tempfile.mkdtemp(prefix=".onnxruntime-", dir=ROOT))
    try:
        wheel = download(staging, tag, version)
        check(wheel, digest)
        fresh = staging / "fresh"
        unpack(wheel, fresh, library, digest)
        put_in_place(fresh, staging / "old")
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    say(f"ONNX Runtime {version} is in {TARGET.name}/{library} ({time.monotonic() - started:.1f} s)")


def has_glibc(*least):
    """False on musl (Alpine), and where glibc is older than the wheel was built for."""
    name, version = platform.libc_ver()
    return name == "glibc" and tuple(int(part) for part in version.split(".")[:2]) >= least


def pinned(system, machine):
    """The version and the digest that scripts/onnxruntime.txt has for this platform."""
    text = PINS.read_text(encoding="utf-8").replace("\\\n", " ")
    line = re.compile(
        r'^onnxruntime==(\S+) *; *sys_platform == "(\w+)" and platform_machine == "(\w+)" *'
        r"--hash=sha256:([0-9a-f]{64})\s*$",
        re.MULTILINE,
    )
    for found in line.finditer(text):
        if found.group(2, 3) == (system, machine):
            return found.group(1, 4)
    raise Refused(f"scripts/onnxruntime.txt has no line with a digest for {system} {machine}")


def is_there(library, digest):
    """True when the folder was unpacked from the pinned wheel and still holds the library."""
    stamp = TARGET / STAMP
    return (
        (TARGET / library).is_file()
        and stamp.is_file()
        and stamp.read_text(encoding="utf-8").strip() == digest
    )


def download(staging, tag, version):
    """Has pip download the wheel, with a dot a second as a sign of life."""
    command = [
        sys.executable, "-m", "pip", "download",
        "--no-deps", "--only-binary=:all:", "--require-hashes", "-r", str(PINS),
        "--implementation", "cp", "--python-version", "3.12", "--platform", tag,
        "--dest", str(staging), "--no-input", "--disable-pip-version-check",
        "--progress-bar", "off", "--retries", "2",
    ]  # fmt: skip
    say(f"fetching ONNX Runtime {version} for {tag} (about 25 MB) ", end="")
    with open(staging / "pip.log", "w+b") as log:
        pip = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        try:
            while True:
                try:
                    pip.wait(timeout=1)
                    break
                except subprocess.TimeoutExpired:
                    say(".", end="")
        finally:
            if pip.poll() is None:
                pip.kill()
            say("")
        log.seek(0)
        output = log.read().decode("utf-8", "replace")
    if pip.returncode != 0:
        raise Refused(why_pip_failed(output, version))
    return next(staging.glob("*.whl"))


def why_pip_failed(output, version):
    if "DO NOT MATCH THE HASHES" in output:
        got = re.search(r"Got +([0-9a-f]{64})", output)
        return wrong_digest(got.group(1) if got else "another one")
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR:")]
    reason = (errors or lines or ["no message"])[-1][:300]
    refused = re.search(r"(Temporary failure in name resolution|Name or service not known|Connection refused"
                        r"|Network is unreachable|timed out|Cannot connect to proxy|CERTIFICATE_VERIFY_FAILED)", output)
    if refused:
        return f"pip could not reach the package index ({refused.group(1)}); check the network and pip's settings, {WAY_OUT}"
    return f"pip could not download onnxruntime {version}: {reason}; {WAY_OUT}"


def check(wheel, digest):
    """pip has checked it already; this holds even where a pip does not."""
    got = hashlib.sha256(wheel.read_bytes()).hexdigest()
    if got != digest:
        raise Refused(wrong_digest(got))


def wrong_digest(got):
    return f"the ONNX Runtime wheel has the digest {got}, which scripts/onnxruntime.txt does not list; nothing was installed"


def unpack(wheel, fresh, library, digest):
    """Takes the library, its licence and its notices out of the wheel; the Python part stays behind."""
    fresh.mkdir()
    with zipfile.ZipFile(wheel) as archive:
        wanted = {"onnxruntime/LICENSE": "LICENSE", "onnxruntime/ThirdPartyNotices.txt": "ThirdPartyNotices.txt"}
        for name in archive.namelist():
            if re.fullmatch(r"onnxruntime/capi/libonnxruntime\.(so\.[0-9.]+|[0-9.]+\.dylib)", name):
                wanted[name] = library
        if library not in wanted.values():
            raise Refused(f"{wheel.name} holds no ONNX Runtime library; scripts/onnxruntime.txt names the wrong wheel")
        for name, to in wanted.items():
            with archive.open(name) as source, open(fresh / to, "wb") as sink:
                shutil.copyfileobj(source, sink)
    (fresh / library).chmod(0o755)
    (fresh / STAMP).write_text(digest + "\n", encoding="utf-8")


def put_in_place(fresh, old):
    """The folder is the old one or the new one, whole; a server that runs keeps the file it has open."""
    if TARGET.exists():
        TARGET.rename(old)
    fresh.rename(TARGET)


def say(text, end="\n"):
    print(text, end=end, flush=True)


if __name__ == "__main__":
    try:
        main()
    except (Refused, OSError, zipfile.BadZipFile) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
