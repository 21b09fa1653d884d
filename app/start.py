"""Starts the service: the bundle is loaded while the web framework is imported; each takes about a second."""

from __future__ import annotations

import gc

from app.auth.listening import check_listening
from app.inference.registry import BundleRegistry
from app.malloc import give_memory_back
from app.settings import Settings
from app.telemetry.logging import configure_logging


def start(settings: Settings) -> None:
    """Serve as `app.main.serve` does, which says how it ends.

    Raises what that raises, and InvalidRequest when other machines could reach the service without keys.
    """
    check_listening(settings)
    give_memory_back()
    configure_logging(settings.telemetry)
    registry = BundleRegistry(settings)
    registry.load_ahead()
    gc.disable()  # what is imported stays, and to look for garbage in it takes a tenth of the time
    from app.main import serve

    gc.freeze()
    gc.enable()
    serve(settings, registry)
