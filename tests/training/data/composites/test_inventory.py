from pathlib import Path

import pytest

from app.inference.bundle import SHIPPED_BUNDLES
from app.inference.manifest import read_manifest
from training.data.composites import Options, Sources, composites, load_collection
from training.data.composites.collection import hear
from training.data.composites.inventory import read_inventory
from training.data.composites.sprites import open_picture
from training.data.stamps import PACKAGE
from training.encoders.weights import cache_dir

UNPACKED = cache_dir() / PACKAGE
package = pytest.mark.skipif(
    not (UNPACKED / "usr/share/tuxpaint/stamps").is_dir(),
    reason=f"{PACKAGE} is not in the cache: `earsight-train data composites list` fetches it",
)


def test_every_event_is_one_that_the_service_knows():
    labels = read_manifest(SHIPPED_BUNDLES / "default").events.labels
    for name, entry in read_inventory().items():
        assert set(entry.events) <= set(labels), name
        assert bool(entry.events) == entry.sounding, name


def test_kinds_without_a_sound_do_not_name_themselves_apart_from_kinds_that_they_resemble():
    entries = read_inventory()
    groups = {entry.alike or name for name, entry in entries.items() if entry.sounding}
    resembling = {entry.alike for entry in entries.values() if not entry.sounding and entry.alike}
    assert resembling - groups <= {"ape"}


@package
def test_every_picture_and_recording_of_the_package_can_be_used():
    collection = load_collection(Sources(stamps=UNPACKED))
    for kind in collection.kinds:
        for cutout in kind.cutouts:
            assert max(open_picture(cutout.path).size) >= 40, cutout.id
        for recording in kind.recordings:
            if isinstance(recording.source, Path):
                assert len(hear(recording)) >= 1_600, recording.id


@package
def test_scenes_of_the_package_have_what_sounds_in_sight():
    options = Options(sources=Sources(stamps=UNPACKED), silence=0.0, offscreen=0.0)
    for scene in composites("train", 6, options=options):
        footage = scene.footage(size=96, fps=4)
        assert footage.truth.any()
        assert footage.waveform.std() > 0.003
