import asyncio

import pytest
from starlette.requests import ClientDisconnect, Request

from app.api.upload import receive_upload
from app.errors import InvalidRequest, UnsupportedMedia, UploadTimeout, UploadTooLarge

BOUNDARY = "xYzZy"
OPTIONS = frozenset({"fps", "model", "format"})


def part(name, data, *, filename=None):
    disposition = f'form-data; name="{name}"'
    if filename is not None:
        disposition += f'; filename="{filename}"'
    return f"--{BOUNDARY}\r\nContent-Disposition: {disposition}\r\n\r\n".encode() + data + b"\r\n"


def body(*parts):
    return b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()


def receive(directory, chunks, *, content_type=None, max_bytes=10_000_000, pause_s=5.0):
    """Feed `chunks` as the body; None is a client that falls silent."""
    pending = list(chunks)

    async def next_message():
        chunk = pending.pop(0)
        if chunk is None:
            await asyncio.sleep(60)
        if chunk is ClientDisconnect:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": chunk, "more_body": bool(pending)}

    content_type = content_type or f"multipart/form-data; boundary={BOUNDARY}"
    scope = {"type": "http", "method": "POST", "headers": [(b"content-type", content_type.encode())]}

    async def scenario():
        return await receive_upload(
            Request(scope, next_message),
            directory=directory,
            options=OPTIONS,
            max_bytes=max_bytes,
            pause_s=pause_s,
        )

    return asyncio.run(asyncio.wait_for(scenario(), 30))


def split(data, size):
    return [data[start : start + size] for start in range(0, len(data), size)]


@pytest.mark.parametrize("chunk_bytes", [1, 7, 100, 1_000_000])
def test_files_and_options_arrive_whatever_the_chunks(tmp_path, chunk_bytes):
    clip, sound = bytes(range(256)) * 3, b"\r\n--xYz" * 10
    data = body(part("file", clip, filename="a.mp4"), part("fps", b"2.5"), part("audio", sound, filename="b"))
    upload = receive(tmp_path, split(data, chunk_bytes))
    assert upload.file.read_bytes() == clip
    assert upload.audio.read_bytes() == sound
    assert upload.options == {"fps": "2.5"}
    assert upload.size_bytes == len(clip) + len(sound)


def test_file_larger_than_the_write_block_is_complete(tmp_path):
    clip = bytes(1024) * 3000 + b"end"
    upload = receive(tmp_path, split(body(part("file", clip, filename="a")), 65_536))
    assert upload.file.read_bytes() == clip


def test_client_file_names_are_never_used(tmp_path):
    names = ["../../evil", "/etc/passwd", "a\\b", "x" * 1000, "\u202e.mp4"]
    for name in names:
        receive(tmp_path, [body(part("file", b"1", filename=name))])
        assert sorted(path.name for path in tmp_path.iterdir()) == ["upload-file"]
        (tmp_path / "upload-file").unlink()


def test_empty_file_part_is_an_empty_file(tmp_path):
    assert receive(tmp_path, [body(part("file", b"", filename="a"))]).file.read_bytes() == b""


def test_file_field_without_a_file_name_counts_as_a_file(tmp_path):
    assert receive(tmp_path, [body(part("file", b"abc"))]).file.read_bytes() == b"abc"


def test_wrong_field_name_is_refused_at_once_and_names_the_right_one(tmp_path):
    head = part("video", b"", filename="a.mp4")
    with pytest.raises(InvalidRequest, match=r"'video'.*'file'"):
        receive(tmp_path, [head, None], pause_s=30)


def test_missing_file_is_refused(tmp_path):
    with pytest.raises(InvalidRequest, match="'file' is missing"):
        receive(tmp_path, [body(part("fps", b"4"))])


def test_field_sent_twice_is_refused(tmp_path):
    with pytest.raises(InvalidRequest, match="twice"):
        receive(tmp_path, [body(part("file", b"1", filename="a"), part("file", b"2", filename="b"))])


def test_long_option_is_refused(tmp_path):
    with pytest.raises(InvalidRequest, match="longer than"):
        receive(tmp_path, split(body(part("model", b"x" * 5000)), 500))


def test_file_over_the_limit_is_refused_while_it_is_received(tmp_path):
    data = body(part("file", b"x" * 5000, filename="a"))
    with pytest.raises(UploadTooLarge) as caught:
        receive(tmp_path, [*split(data, 1000)[:3], None], max_bytes=2000, pause_s=30)
    assert caught.value.limit == 2000
    assert caught.value.setting == "EARSIGHT_LIMITS__MAX_UPLOAD_BYTES"


def test_client_that_pauses_too_long_is_timed_out(tmp_path):
    with pytest.raises(UploadTimeout) as caught:
        receive(tmp_path, [part("file", b"x" * 50, filename="a"), None], pause_s=0.05)
    assert caught.value.setting == "EARSIGHT_SERVER__UPLOAD_TIMEOUT_S"


def test_client_that_leaves_is_told_apart(tmp_path):
    with pytest.raises(ClientDisconnect):
        receive(tmp_path, [part("file", b"x" * 50, filename="a"), ClientDisconnect])


@pytest.mark.parametrize(
    "content_type", ["application/json", "video/mp4", "application/x-www-form-urlencoded"]
)
def test_other_content_types_are_unsupported(tmp_path, content_type):
    with pytest.raises(UnsupportedMedia):
        receive(tmp_path, [b"{}"], content_type=content_type)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"garbage without any boundary",
        part("file", b"cut off", filename="a"),
        b"--" + BOUNDARY.encode() + b"\r\n\r\nno headers\r\n--" + BOUNDARY.encode() + b"--\r\n",
        b"--" + BOUNDARY.encode() + b"\r\nX: " + b"y" * 100_000,
    ],
)
def test_malformed_bodies_are_invalid_requests(tmp_path, data):
    with pytest.raises(InvalidRequest):
        receive(tmp_path, [data])


def test_missing_boundary_is_an_invalid_request(tmp_path):
    with pytest.raises(InvalidRequest, match="boundary"):
        receive(tmp_path, [b""], content_type="multipart/form-data")
