"""Where the graphs of a bundle lie on disk, and their bytes, checked before any of them is used."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from app.errors import BundleError
from app.inference.manifest import GraphFile, Manifest
from app.inference.onnx_file import refuse_external_data


def graph_path(directory: Path, entry: GraphFile, *, roots: Sequence[Path] = ()) -> Path:
    """Where a graph of the bundle in `directory` lies: there, or with the bundle that it is shared with.

    That one is looked for beside `directory` first and then in `roots`, directories of bundles. A path comes
    back even if there is no file.
    """
    if entry.bundle is None:
        return directory / entry.path
    places = [root / entry.bundle / entry.path for root in (directory.parent, *roots)]
    return next((place for place in places if place.is_file()), places[0])


def read_graphs(directory: Path, manifest: Manifest, *, roots: Sequence[Path] = ()) -> dict[str, bytes]:
    """Every file of the manifest by its sha256, also the variants that will not run here.

    Raises BundleError if one is missing, is not the one of the manifest, or refers to other files.
    """
    return {entry.sha256: _read_verified(directory, entry, roots) for entry in manifest.files}


def _read_verified(directory: Path, entry: GraphFile, roots: Sequence[Path]) -> bytes:
    path = graph_path(directory, entry, roots=roots)
    name, needs = f"{directory.name}/{entry.path}", ""
    if entry.bundle is not None:
        name = f"{entry.bundle}/{entry.path}"
        needs = f"; {directory.name} shares it and needs the bundle {entry.bundle} that it was made with"
    # The size first: it bounds what is read when the name leads to something else entirely.
    if not path.is_file() or path.stat().st_size != entry.size_bytes:
        raise BundleError(f"{name} is missing or has not the {entry.size_bytes} bytes of the manifest{needs}")
    model = path.read_bytes()
    if hashlib.sha256(model).hexdigest() != entry.sha256:
        raise BundleError(f"{name} is damaged: its sha256 is not the one in the manifest{needs}")
    refuse_external_data(model, name=name)
    return model
