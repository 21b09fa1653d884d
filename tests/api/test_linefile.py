import asyncio
import threading

from app.api.linefile import LineFile


async def collect(lines):
    return b"".join([block async for block in lines.blocks()])


def test_lines_arrive_while_the_writer_is_still_at_work(tmp_path):
    async def scenario():
        lines = LineFile(tmp_path / "lines")
        seen, more = asyncio.Event(), threading.Event()
        loop = asyncio.get_running_loop()

        def write():
            lines.append(b"first\n")
            assert more.wait(10), "the first line was not sent before the second was written"
            lines.append(b"second\n", b"third\n")
            lines.end()

        writer = loop.run_in_executor(None, write)
        received = b""
        async for block in lines.blocks():
            received += block
            seen.set()
            more.set()
        await writer
        return received

    assert asyncio.run(asyncio.wait_for(scenario(), 20)) == b"first\nsecond\nthird\n"


def test_a_file_that_ends_without_a_line_has_not_begun(tmp_path):
    async def scenario():
        lines = LineFile(tmp_path / "lines")
        lines.end()
        return await lines.begun(), await collect(lines)

    assert asyncio.run(asyncio.wait_for(scenario(), 20)) == (False, b"")


def test_long_files_come_whole_and_in_order(tmp_path):
    async def scenario():
        lines = LineFile(tmp_path / "lines")
        expected = b""
        for index in range(20):
            line = (f"{index} " + "x" * 50_000 + "\n").encode()
            lines.append(line)
            expected += line
        lines.end()
        assert await lines.begun()
        return await collect(lines) == expected

    assert asyncio.run(asyncio.wait_for(scenario(), 20))


def test_a_reader_that_stops_does_not_hold_the_writer_up(tmp_path):
    async def scenario():
        lines = LineFile(tmp_path / "lines")
        writer = asyncio.get_running_loop().run_in_executor(
            None, lambda: [lines.append(b"x" * 100_000 + b"\n") for _ in range(50)]
        )
        await asyncio.wait_for(writer, 10)
        assert (tmp_path / "lines").stat().st_size == 50 * 100_001

    asyncio.run(scenario())
