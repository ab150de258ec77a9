"""Builds the image of the protos and the Python code that is generated from it.

`buf/validate/validate.proto` is not a file of this project: its descriptor comes from the protovalidate package that is
installed, so that the rules in the protos and the library that enforces them are always of one version. The image has
`google/rpc/error_details.proto` too: clients read the details of errors with it.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from pathlib import Path

import protovalidate
from google.protobuf import descriptor_pb2
from google.rpc import error_details_pb2
from protobuf import DescFile

ROOT = Path(__file__).resolve().parent.parent
PROTOS = ROOT / "protos"
VENDOR = Path("lightrouter", "vendor")
ERROR_DETAILS = "google/rpc/error_details.proto"


def dependencies(file: DescFile) -> Iterator[DescFile]:
    """Yields the files that `file` imports, deepest first, then `file` itself."""
    for imported in file.dependencies:
        yield from dependencies(imported)
    yield file


def imported_descriptors() -> bytes:
    """Returns a FileDescriptorSet with buf/validate/validate.proto, ERROR_DETAILS and what they import."""
    descriptors = descriptor_pb2.FileDescriptorSet()
    for file in dict.fromkeys(dependencies(protovalidate.ViolationPb.desc().file)):
        descriptors.file.append(descriptor_pb2.FileDescriptorProto.FromString(file.proto.to_binary()))
    error_details_pb2.DESCRIPTOR.CopyToProto(descriptors.file.add())
    return descriptors.SerializeToString()


def protoc(protos: Path, descriptors: Path, *arguments: str) -> None:
    """Runs protoc over the protos of a folder, with the descriptors beside them as imports."""
    plugins = f"{sysconfig.get_path('scripts')}{os.pathsep}{os.environ['PATH']}"
    subprocess.run(
        [sys.executable, "-m", "grpc_tools.protoc", f"-I{protos}", f"--descriptor_set_in={descriptors}", *arguments],
        check=True,
        cwd=protos,
        env={**os.environ, "PATH": plugins},
    )


def sources(protos: Path, containing: str = "") -> list[str]:
    """Returns the protos of a folder with `containing` in their text, relative to it."""
    return sorted(str(path.relative_to(protos)) for path in protos.rglob("*.proto") if containing in path.read_text())


def write_image(protos: Path, descriptors: Path, image: Path) -> None:
    """Writes the protos, their comments, ERROR_DETAILS and all imports as one FileDescriptorSet, which buf reads."""
    image.parent.mkdir(parents=True, exist_ok=True)
    wanted = ("--include_imports", "--include_source_info", f"-o{image.resolve()}")
    protoc(protos, descriptors, *wanted, ERROR_DETAILS, *sources(protos))


def generate(protos: Path, descriptors: Path, out: Path) -> None:
    """Writes the generated packages below `out`.

    Buf's own goes into `lightrouter.vendor`: a top-level package `buf` would collide with Buf's own.
    """
    with tempfile.TemporaryDirectory() as folder:
        messages = (f"--python_out={folder}", f"--mypy_out=quiet:{folder}")
        stubs = (f"--grpc_python_out={folder}", f"--mypy_grpc_out=quiet:{folder}")
        protoc(protos, descriptors, *messages, "buf/validate/validate.proto")
        protoc(protos, descriptors, *messages, *sources(protos))
        protoc(protos, descriptors, *stubs, *sources(protos, containing="\nservice "))
        for path in Path(folder).rglob("*_pb2*"):
            name = path.relative_to(folder)
            target = out / VENDOR / name if name.parts[0] == "buf" else out / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(
                path.read_text().replace("from buf.validate import", "from lightrouter.vendor.buf.validate import")
            )


def differences(protos: Path, descriptors: Path, out: Path) -> list[str]:
    """Returns the generated files below `out` that are missing, left over, or not what the protos give."""
    with tempfile.TemporaryDirectory() as folder:
        fresh = Path(folder)
        generate(protos, descriptors, fresh)
        expected = {path.relative_to(fresh): path.read_bytes() for path in fresh.rglob("*_pb2*")}
    found = {path.relative_to(out): path.read_bytes() for path in out.rglob("*_pb2*.py*") if path.suffix != ".pyc"}
    return sorted(str(name) for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))


def main() -> None:
    """Writes an image for buf, writes the generated packages, or checks them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--protos", type=Path, default=PROTOS, help="import root of the protos")
    parser.add_argument("--image", type=Path, help="file that gets the image of the protos with their comments")
    parser.add_argument("--out", type=Path, help="source root that gets the generated packages")
    parser.add_argument("--check", type=Path, help="source root whose generated packages must be current")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        descriptors = Path(folder) / "imported.binpb"
        descriptors.write_bytes(imported_descriptors())
        if options.image:
            write_image(options.protos, descriptors, options.image)
        if options.out:
            generate(options.protos, descriptors, options.out)
        if options.check and (stale := differences(options.protos, descriptors, options.check)):
            sys.exit(f"generated code is not that of the protos, run make protos: {', '.join(stale)}")


if __name__ == "__main__":
    main()
