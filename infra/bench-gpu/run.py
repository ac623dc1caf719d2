#!/usr/bin/env python3
"""Runs `tessera bench-gpu` on a machine with a GPU and Python, but neither Node nor npm nor network.

    python3 infra/bench-gpu/run.py [--libraries FOLDER] [options of bench-gpu]

`npm run bench:gpu -- --pack`, on another machine, makes the parts that belong into .tessera/bench-gpu/parts. They are
unpacked once. CUDA's and cuDNN's libraries are looked for in this Python's packages (nvidia/*/lib), or are those of
--libraries.
"""

import glob
import hashlib
import importlib.util
import json
import os
import shutil
import sys
import tarfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PARTS = os.path.join(ROOT, ".tessera/bench-gpu/parts")
UNPACKED = os.path.join(ROOT, ".tessera/bench-gpu/unpacked")
MODULES = os.path.join(ROOT, "node_modules")
# What the provider is linked to, and cuDNN, which it loads by name.
WANTED = ["libcudart.so.13", "libcublas.so.13", "libcublasLt.so.13", "libcurand.so.10", "libcudnn.so.9"]


def unpack():
    with open(os.path.join(PARTS, "parts.json")) as file:
        text = file.read()
    marker = os.path.join(UNPACKED, "parts.json")
    if os.path.exists(marker) and open(marker).read() == text:
        return
    parts = json.loads(text)
    missing = [part["name"] for part in parts if not is_whole(part)]
    if missing:
        sys.exit(f"{PARTS}: {', '.join(missing)} of {len(parts)} parts are missing or damaged: carry them here again")
    shutil.rmtree(UNPACKED, ignore_errors=True)
    os.makedirs(UNPACKED)
    with tarfile.open(fileobj=Joined([os.path.join(PARTS, part["name"]) for part in parts]), mode="r|xz") as archive:
        # Newer Pythons want the filter named, older ones have none.
        archive.extractall(UNPACKED, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))
    with open(marker, "w") as file:
        file.write(text)


def is_whole(part):
    path = os.path.join(PARTS, part["name"])
    if not os.path.exists(path):
        return False
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest() == part["sha256"]


class Joined:
    """Files read as one."""

    def __init__(self, paths):
        self.paths = list(paths)
        self.file = None

    def read(self, size):
        while True:
            data = self.file.read(size) if self.file else b""
            if data or not self.paths:
                return data
            self.file = open(self.paths.pop(0), "rb")


def link_packages():
    """Node looks for packages in a folder of that name above the code."""
    wanted = os.path.join(UNPACKED, "node_modules")
    if os.path.islink(MODULES) and os.readlink(MODULES) != wanted:
        os.remove(MODULES)
    if not os.path.lexists(MODULES):
        os.symlink(wanted, MODULES)
    if os.path.realpath(MODULES) != os.path.realpath(wanted):
        sys.exit(f"{MODULES} is there: this is no bare machine, run `npm run bench:gpu` instead")


def cuda_folders():
    spec = importlib.util.find_spec("nvidia")
    places = list(spec.submodule_search_locations or []) if spec else []
    folders = [folder for place in places for folder in sorted(glob.glob(os.path.join(place, "*/lib")))]
    absent = [name for name in WANTED if not any(os.path.exists(os.path.join(f, name)) for f in folders)]
    if absent:
        print(f"{', '.join(absent)}: not in this Python's packages, left to the system to find", file=sys.stderr)
    return folders


def main(arguments):
    libraries = None
    if arguments[:1] == ["--libraries"]:
        libraries, arguments = [os.path.abspath(arguments[1])], arguments[2:]
    if not os.path.exists(os.path.join(PARTS, "parts.json")):
        sys.exit(f"{PARTS}/parts.json is missing: make the parts by `npm run bench:gpu -- --pack`, and carry them here")
    unpack()
    link_packages()
    earlier = os.environ.get("LD_LIBRARY_PATH")
    folders = [*(libraries or cuda_folders()), *([earlier] if earlier else [])]
    node = os.path.join(UNPACKED, "bin/node")
    environment = {
        **os.environ,
        "LD_LIBRARY_PATH": ":".join(folders),
        "ORT_DISABLE_TELEMETRY": "1",
        "TSX_TSCONFIG_PATH": os.path.join(ROOT, "tsconfig.json"),
        "AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED": "true",
    }
    command = [node, "--import", "tsx", "test/bench/gpu/main.ts", "bench-gpu", *arguments]
    os.chdir(ROOT)
    sys.stdout.flush()
    os.execve(node, command, environment)


if __name__ == "__main__":
    main(sys.argv[1:])
