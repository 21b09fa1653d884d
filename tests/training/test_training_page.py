"""The commands of docs/training.md, run as they are written on a few seconds of video."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import av
import pytest

from tests.fixtures_server import ServerProcess
from training.encoders.weights import DINOV2, EFFICIENTNET_LITE0, MINILM

PAGE = Path(__file__).resolve().parents[2] / "docs" / "training.md"
SAMPLE = Path(__file__).resolve().parents[2] / "app" / "samples" / "sample.mp4"
N_CLIPS = 4
CLIP_S = 1.5


def commands_of(name):
    page = PAGE.read_text(encoding="utf-8")
    block = page.partition(f"<!-- {name}: begin -->")[2].partition(f"<!-- {name}: end")[0]
    return [line for line in block.splitlines() if line and not line.startswith("```")]


@pytest.fixture
def videos(tmp_path):
    """Pieces of the sample clip in which something sounds, a folder of anybody's videos."""
    folder = tmp_path / "videos"
    folder.mkdir()
    for number in range(N_CLIPS):
        copy_piece(folder / f"piece{number}.mp4", start_s=number * CLIP_S)
    return folder


def copy_piece(path, *, start_s):
    with av.open(str(SAMPLE)) as source, av.open(str(path), "w") as piece:
        copies = {stream.index: piece.add_stream_from_template(stream) for stream in source.streams}
        source.seek(int(start_s * av.time_base))
        for packet in source.demux():
            if packet.dts is None or packet.pts * packet.time_base > start_s + CLIP_S:
                continue
            packet.stream = copies[packet.stream.index]
            piece.mux(packet)


@pytest.mark.weights
def test_from_a_folder_of_videos_to_a_served_bundle(videos, tmp_path, published):
    published(DINOV2)
    assert len(commands_of("five")) == 5
    answer = served("five", videos, tmp_path, task="localize")
    assert answer["model"]["name"] == "mine"
    assert len(answer["frames"]) >= 2
    table = ("file,tier,sounds,boxes,time_s", 'piece0.mp4,good,guitar,"[[0.0, 0.1, 0.4, 0.9]]",0.5')
    (videos / "clips.csv").write_text("\n".join(table))
    (told,) = run_steps(commands_of("measured"), tmp_path, LABELLED=videos)
    assert "vision only" in told
    assert (tmp_path / "cases.jpg").exists()


def test_from_a_folder_of_videos_to_a_bundle_that_detects(videos, tmp_path):
    answer = served("detector", videos, tmp_path, task="detect")
    assert answer["model"]["name"] == "mine"
    assert all("detections" in frame for frame in answer["frames"])


@pytest.mark.weights
def test_from_a_folder_of_videos_to_a_bundle_that_explains(videos, tmp_path, published):
    published(MINILM)
    answer = served("explainer", videos, tmp_path, task="explain")
    assert answer["model"]["name"] == "mine"
    (why,) = answer["explanations"]
    assert len(why["when_audio"]) == len(why["time_s"]) >= 2


@pytest.mark.weights
def test_from_a_folder_of_pictures_to_a_faster_bundle_that_answers_all(videos, tmp_path, published):
    published(EFFICIENTNET_LITE0)
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for clip in sorted(videos.iterdir()):
        with av.open(str(clip)) as source:
            for number, frame in enumerate(source.decode(video=0)):
                if number % 4 == 0:
                    frame.to_image().save(pictures / f"{clip.stem}-{number}.png")
    answer = served("student", videos, tmp_path, task="analyze", pictures=pictures)
    assert answer["model"]["name"] == "mine"
    assert all(frame["heatmap"]["grid"] == [16, 16] for frame in answer["frames"])
    assert answer["explanations"]


def run_steps(steps, folder, **places):
    """Run commands in a folder, with the words of the page replaced by places; gives what each prints."""
    told = []
    for step in steps:
        for word, place in places.items():
            step = step.replace(word, str(place))
        program, *arguments = shlex.split(step)
        done = subprocess.run(
            [str(Path(sys.executable).parent / program), *arguments],
            cwd=folder,
            env={**os.environ, "OMP_NUM_THREADS": "2"},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, f"{step}\n{done.stdout}{done.stderr}"
        told.append(done.stdout)
    return told


def served(block, videos, tmp_path, *, task, pictures=None):
    """What the service that the commands start says of one of the videos."""
    *steps, serve = commands_of(block)
    run_steps(steps, tmp_path, VIDEOS=videos, PICTURES=pictures)
    setting, *command = shlex.split(serve)
    assert command == ["earsight", "serve"]
    name, _, value = setting.partition("=")
    directories = value.replace("bundles", str(tmp_path / "bundles"))
    settings = {name: directories, "EARSIGHT_SERVER__PORT": "0", "EARSIGHT_INFERENCE__BUNDLE": "mine"}
    server = ServerProcess(tmp_path / "scratch", settings)
    try:
        with server.client() as client, (videos / "piece0.mp4").open("rb") as clip:
            answer = client.post(f"/v1/{task}", files={"file": clip}, data={"model": "mine"})
    finally:
        server.close()
    assert answer.status_code == 200
    return answer.json()
