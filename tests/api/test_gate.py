import asyncio
import queue
import threading

import pytest

from app.api.gate import AnalysisGate
from app.errors import Canceled, Overloaded
from app.telemetry.metrics import Metrics


@pytest.fixture
def gate():
    gate = AnalysisGate(max_running=1, max_waiting=1, metrics=Metrics())
    yield gate
    gate.close()


def run(coroutine):
    return asyncio.run(asyncio.wait_for(coroutine, 20))


def test_work_runs_in_another_thread_and_its_value_comes_back(gate):
    async def scenario():
        return await gate.submit(lambda _: threading.current_thread().name).result()

    assert run(scenario()).startswith("analysis")


def test_what_the_work_raises_is_raised_to_the_one_who_waits(gate):
    def fail(cancel):
        raise ValueError("no")

    async def scenario():
        await gate.submit(fail).result()

    with pytest.raises(ValueError, match="no"):
        run(scenario())


def test_more_than_running_and_waiting_is_refused_with_limit_and_setting(gate):
    async def scenario():
        release = threading.Event()
        first, second = (gate.submit(lambda _: release.wait(10)) for _ in range(2))
        with pytest.raises(Overloaded) as caught:
            gate.submit(lambda _: None)
        release.set()
        await first.result()
        await second.result()
        await gate.submit(lambda _: None).result()
        return caught.value

    refusal = run(scenario())
    assert refusal.limit == 1
    assert refusal.setting == "EARSIGHT_SERVER__MAX_WAITING_ANALYSES"


def test_only_as_many_run_at_once_as_there_are_places(gate):
    async def scenario():
        running, most = [], []

        def work(cancel):
            running.append(1)
            most.append(len(running))
            cancel.wait(0.05)
            running.pop()

        await asyncio.gather(*(gate.submit(work).result() for _ in range(2)))
        return max(most)

    assert run(scenario()) == 1


def test_stopping_sets_the_event_and_waits_for_the_work_to_end(gate):
    async def scenario():
        ended = []

        def work(cancel):
            assert cancel.wait(10)
            ended.append(True)

        running = gate.submit(work)
        await asyncio.sleep(0.05)
        await running.stop()
        return ended

    assert run(scenario()) == [True]


def test_stopping_what_still_waits_frees_its_place_without_running_it(gate):
    async def scenario():
        release, calls = threading.Event(), []
        first = gate.submit(lambda _: release.wait(10))
        second = gate.submit(lambda _: calls.append(1))
        await second.stop()
        third = gate.submit(lambda _: calls.append(3))
        release.set()
        await first.result()
        await third.result()
        with pytest.raises(Canceled):
            await second.result()
        return calls

    assert run(scenario()) == [3]


def test_the_end_is_told_also_of_what_never_began(gate):
    async def scenario():
        begun, release, ends = threading.Event(), threading.Event(), queue.Queue()
        first = gate.submit(lambda _: (begun.set(), release.wait(10)))
        second = gate.submit(lambda _: None)
        assert begun.wait(10)
        for name, started in (("first", first), ("second", second)):
            started.when_ended(lambda name=name: ends.put(name))
        gate.cancel_all()
        release.set()
        await first.result()
        with pytest.raises(Canceled):
            await second.result()
        # Told in the worker's thread, maybe after the result.
        return [ends.get(timeout=10), ends.get(timeout=10)]

    assert run(scenario()) == ["first", "second"]


def test_work_for_later_needs_no_place_but_is_waited_for(gate):
    async def scenario():
        release = threading.Event()
        runs = [gate.submit(lambda _: release.wait(10)) for _ in range(2)]
        with gate.admitted(for_later=True):
            idle = gate.idle
        gate.drain()
        with pytest.raises(Overloaded, match="shutting down"), gate.admitted(for_later=True):
            pass
        release.set()
        for started in runs:
            await started.result()
        return idle

    assert run(scenario()) is False


def test_a_wait_that_is_cancelled_leaves_the_work_alone(gate):
    async def scenario():
        release = threading.Event()
        running = gate.submit(lambda _: release.wait(10))
        waiter = asyncio.ensure_future(running.result())
        await asyncio.sleep(0.02)
        waiter.cancel()
        await asyncio.gather(waiter, return_exceptions=True)
        release.set()
        return await running.result()

    assert run(scenario()) is True


def test_a_draining_gate_admits_nobody_but_serves_those_inside(gate):
    async def scenario():
        with gate.admitted():
            gate.drain()
            assert not gate.idle
            with pytest.raises(Overloaded, match="shutting down"), gate.admitted():
                pass
            return await gate.submit(lambda _: "done").result()

    assert run(scenario()) == "done"
    assert gate.idle


def test_a_full_gate_refuses_before_the_upload_is_read(gate):
    async def scenario():
        release = threading.Event()
        runs = [gate.submit(lambda _: release.wait(10)) for _ in range(2)]
        with pytest.raises(Overloaded), gate.admitted():
            pass
        release.set()
        for started in runs:
            await started.result()

    run(scenario())


def test_the_request_id_travels_into_the_worker_thread(gate):
    from app.telemetry.logging import request_id_var

    async def scenario():
        request_id_var.set("abc")
        return await gate.submit(lambda _: request_id_var.get()).result()

    assert run(scenario()) == "abc"


def test_queue_and_running_gauges_return_to_zero():
    metrics = Metrics()
    gate = AnalysisGate(max_running=1, max_waiting=3, metrics=metrics)

    async def scenario():
        release = threading.Event()
        first = gate.submit(lambda _: release.wait(10))
        others = [gate.submit(lambda _: None) for _ in range(3)]
        await asyncio.sleep(0.05)
        depth = metrics.registry.get_sample_value("earsight_queue_depth")
        await others[2].stop()
        release.set()
        await first.result()
        await others[0].result()
        await others[1].result()
        return depth

    assert run(scenario()) == 3
    gate.close()
    assert metrics.registry.get_sample_value("earsight_queue_depth") == 0
    assert metrics.registry.get_sample_value("earsight_analyses_in_progress") == 0
