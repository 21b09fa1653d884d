"""VPO: COCO pictures with sounds of VGG-Sound for the objects in them, one (SS) or several (MS) a picture.

Chen et al., Unraveling Instance Associations (CVPR 2024); box lists by Senocak et al.
"""

from __future__ import annotations

from training.data.readers.box_lists import BoxListReader, Known
from training.data.readers.pixel_boxes import VPO_MS, VPO_SS, BoxList, SourceBox


def _describe(source: SourceBox) -> Known:
    """Entries are called "<COCO image>_<number>"; what sounds is not said."""
    return Known((), group=source.scene)


def _reader(name: str, title: str, listed: BoxList) -> BoxListReader:
    return BoxListReader(
        name=name,
        title=title,
        layout=(
            f"Expected: {listed.file} of SSLalignment, the pictures in visual_frames, images or frames, the "
            "sounds in audio_wav or audio."
        ),
        listed=listed,
        describe=_describe,
    )


SS_READER = _reader("vpo-ss", "VPO-SS: COCO pictures with the sound of one object", VPO_SS)
MS_READER = _reader("vpo-ms", "VPO-MS: COCO pictures, a sound for each of several objects", VPO_MS)
