"""The bundles that a process serves, by name."""

from __future__ import annotations

import threading
from contextlib import suppress

from app.errors import BundleError, EarsightError
from app.inference.bundle import Bundle, bundle_names, find_bundle, load_bundle
from app.settings import Settings


class BundleRegistry:
    """Loads each bundle when it is first asked for and keeps it. Safe to share between threads.

    A reload swaps one reference once the new bundle is loaded and warm: work that holds the old one ends
    with the old one, work that comes later gets the new one, and if loading fails nothing changes.
    Bundles that share a graph share its session.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings.inference
        self._bundles: dict[str, Bundle] = {}
        self._loading = threading.Lock()

    def names(self) -> tuple[str, ...]:
        """Names of all bundles that could be asked for, sorted."""
        return bundle_names(self._settings)

    def loaded(self) -> tuple[Bundle, ...]:
        """The bundles that are in memory."""
        return tuple(self._bundles.values())

    def get(self, name: str | None = None) -> Bundle:
        """The bundle with that name, or the default one; loaded on first use, which takes seconds.

        Raises NotFound, BundleError or ModelNotReady.
        """
        name = name or self._settings.bundle
        bundle = self._bundles.get(name)
        if bundle is not None:
            return bundle
        with self._loading:
            bundle = self._bundles.get(name)  # another thread may have loaded it meanwhile
            if bundle is None:
                bundle = self._bundles[name] = self._load(name)
        return bundle

    def load_ahead(self) -> None:
        """Begin to load the default bundle. `get` waits for that; after a failure it tries again."""
        threading.Thread(target=self._load_quietly, name="load-bundle").start()

    def reload(self, name: str | None = None) -> Bundle:
        """Load the bundle anew from disk and serve it from now on; the old one stays if that raises."""
        name = name or self._settings.bundle
        with self._loading:
            bundle = self._bundles[name] = self._load(name)
        return bundle

    def _load_quietly(self) -> None:
        with suppress(EarsightError):
            self.get()

    def _load(self, name: str) -> Bundle:
        beside = [bundle for other, bundle in self._bundles.items() if other != name]
        bundle = load_bundle(find_bundle(name, self._settings), self._settings, beside=beside)
        if bundle.manifest.name != name:
            raise BundleError(f"the directory {name} holds a bundle that calls itself {bundle.manifest.name}")
        return bundle
