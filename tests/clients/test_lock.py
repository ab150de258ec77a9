"""`buf.lock` holds the digest that buf's registry must give: computed here from protovalidate's own repository."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from tests.clients import toolchain

# The state of the repository that the registry has under the commit of the lock. Go's checksum database vouches for it.
PROTOVALIDATE = "github.com/bufbuild/protovalidate@v1.2.3-0.20260819171645-ec950f2039c7"
PROTO = "buf/validate/validate.proto"


def shake256(content: bytes) -> str:
    return hashlib.shake_256(content).hexdigest(64)


@pytest.mark.timeout(600)  # The first run fetches the repository.
def test_the_digest_of_the_lock_is_that_of_the_repository(tmp_path: Path) -> None:
    toolchain.require("go", (1, 26), "version")
    fetched = json.loads(toolchain.execute(["go", "mod", "download", "-json", PROTOVALIDATE], cwd=tmp_path).stdout)
    if "Error" in fetched:
        # A proxy of modules need not have a version without a tag, and says nothing of the lock then.
        pytest.skip(fetched["Error"])
    root = Path(fetched["Dir"])
    files = {"LICENSE": root / "LICENSE", "README.md": root / "README.md", PROTO: root / "proto/protovalidate" / PROTO}
    # buf's digest b5 of a module without dependencies: a manifest of its files, sorted by path, hashed twice.
    manifest = "".join(f"shake256:{shake256(file.read_bytes())}  {path}\n" for path, file in sorted(files.items()))
    digest = shake256(f"shake256:{shake256(manifest.encode())}".encode())
    assert f"digest: b5:{digest}\n" in (toolchain.ROOT / "buf.lock").read_text(encoding="utf-8")
