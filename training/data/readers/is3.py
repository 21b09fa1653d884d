"""IS3: 3,240 generated pictures of two things, either of which sounds (Senocak et al., arXiv 2407.13676)."""

from __future__ import annotations

from training.data.readers.box_lists import BoxListReader, Known
from training.data.readers.pixel_boxes import IS3, SourceBox


def _describe(source: SourceBox) -> Known:
    """Entries are called "<thing>_<thing>_<number>_<the thing that sounds>"."""
    return Known((source.image_path.stem.rpartition("_")[2],), group=source.scene)


READER = BoxListReader(
    name="is3",
    title="IS3: generated pictures of two things, a sound for each",
    layout=(
        f"Expected: {IS3.published_file} of SSLalignment (or {IS3.file}), the pictures in images or "
        "visual_frames, the sounds in audio_waw, audio_wav or audio."
    ),
    listed=IS3,
    describe=_describe,
)
