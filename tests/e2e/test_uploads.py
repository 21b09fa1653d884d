"""Uploads that are too large, too slow or abandoned, on the wire."""

import time

import pytest

HEAD = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.mp4"\r\n\r\n'
TAIL = b"\r\n--x--\r\n"
MB = 1_000_000


def zeros(total):
    yield HEAD
    block = bytes(MB)
    for _ in range(total // MB):
        yield block
    yield TAIL


@pytest.fixture
def good_still_works(server, make_clip):
    def check():
        assert server.leftovers() == []
        with server.client() as client:
            clip = make_clip(bursts=((0.0, 2.0),))
            response = client.post("/v1/localize?fps=1", files={"file": clip.read_bytes()})
        assert response.status_code == 200

    return check


@pytest.mark.parametrize("declared", [True, False], ids=["content-length", "chunked"])
def test_600_megabytes_are_refused_in_flat_memory(server, good_still_works, declared):
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    if declared:
        headers["Content-Length"] = str(len(HEAD) + 600 * MB + len(TAIL))
    before = server.rss_bytes()
    most = 0

    def body():
        nonlocal most
        for number, block in enumerate(zeros(600 * MB)):
            if number % 50 == 0:
                most = max(most, server.rss_bytes())
            yield block

    with server.client() as client:
        response = client.post("/v1/localize", content=body(), headers=headers)
    assert response.status_code == 413
    problem = response.json()
    assert (problem["code"], problem["limit"]) == ("upload_too_large", 512 * 1024 * 1024)
    assert problem["setting"] == "EARSIGHT_LIMITS__MAX_UPLOAD_BYTES"
    assert response.headers["content-type"] == "application/problem+json"
    assert most - before < 30 * MB
    good_still_works()


def answer(connection):
    data = b""
    while block := connection.recv(65536):
        data += block
        if b"\r\n\r\n" in data and data.rstrip().endswith(b"}"):
            break
    return data.decode()


def test_declared_length_over_the_limit_is_refused_before_a_byte_of_it(server):
    headers = ["Content-Type: multipart/form-data; boundary=x", f"Content-Length: {600 * MB}"]
    with server.connect(*headers, "Expect: 100-continue") as connection:
        text = answer(connection)
    assert text.startswith("HTTP/1.1 413")
    assert '"code":"upload_too_large"' in text


def test_client_that_stops_sending_is_timed_out(server, good_still_works):
    headers = ["Content-Type: multipart/form-data; boundary=x", "Content-Length: 100000"]
    with server.connect(*headers) as connection:
        connection.sendall(HEAD + bytes(1000))
        begin = time.monotonic()
        text = answer(connection)
        waited_s = time.monotonic() - begin
    assert text.startswith("HTTP/1.1 408")
    assert '"code":"upload_timeout"' in text
    assert "connection: close" in text.lower()
    assert 1.0 < waited_s < 10
    good_still_works()


def test_client_that_is_merely_slow_is_served(server, make_clip):
    clip = make_clip(frames=1, audio=None).read_bytes()
    body = HEAD + clip + TAIL
    headers = ["Content-Type: multipart/form-data; boundary=x", f"Content-Length: {len(body)}"]
    with server.connect(*headers) as connection:
        step = len(body) // 5 + 1
        for start in range(0, len(body), step):
            connection.sendall(body[start : start + step])
            time.sleep(0.4)  # below the limit each time, above it in all
        assert answer(connection).startswith("HTTP/1.1 200")


def test_upload_that_is_abandoned_leaves_nothing(server, good_still_works):
    headers = ["Content-Type: multipart/form-data; boundary=x", "Content-Length: 9000000"]
    with server.connect(*headers) as gone:
        gone.sendall(HEAD + bytes(2 * MB))
        end = time.monotonic() + 10
        while "upload-file" not in server.scratch_entries():
            assert time.monotonic() < end, "the upload was not spooled"
            time.sleep(0.01)
    server.wait_for_event("client_gone")
    good_still_works()


def test_body_without_its_closing_boundary(server, good_still_works):
    body = HEAD + bytes(1000)
    headers = ["Content-Type: multipart/form-data; boundary=x", f"Content-Length: {len(body)}"]
    with server.connect(*headers) as connection:
        connection.sendall(body)
        text = answer(connection)
    assert text.startswith("HTTP/1.1 422")
    assert '"code":"invalid_request"' in text
    good_still_works()
