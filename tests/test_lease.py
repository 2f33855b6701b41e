"""A lease: one holder at a time, and a dead one's work is taken over, whatever the machines' clocks say."""

import threading
import time
from pathlib import Path

import pytest

from sweeps.jobs import lease as module
from sweeps.jobs.environment import HELD
from sweeps.jobs.lease import Claim, Lease, beating, kept_alive


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOST", 0.6)


def test_one_of_many_gets_it(tmp_path: Path) -> None:
    won: list[Claim] = []
    barrier = threading.Barrier(16)

    def try_it() -> None:
        mine = Lease(tmp_path / "x.lease")
        barrier.wait()
        claim = mine.take()
        if claim:
            won.append(claim)

    threads = [threading.Thread(target=try_it) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1


def test_a_living_holder_keeps_it_and_a_dead_one_loses_it(tmp_path: Path) -> None:
    holder, other = Lease(tmp_path / "x.lease"), Lease(tmp_path / "x.lease")
    claim = holder.take()
    assert claim is not None
    with beating(holder, claim.token):
        end = time.monotonic() + 2.0
        while time.monotonic() < end:
            assert other.take() is None
            time.sleep(0.1)
    waited = time.monotonic()
    while (theirs := other.take()) is None:
        time.sleep(0.05)
    assert 0.3 < time.monotonic() - waited < 3
    assert not holder.beat(claim.token)
    holder.release(claim.token)  # no longer one's own: nothing happens
    assert other.read() == theirs


def test_a_first_look_never_takes_an_old_claim(tmp_path: Path) -> None:
    """Nothing is known of the holder's clock: a claim has to be watched before it counts as dead."""
    holder = Lease(tmp_path / "x.lease")
    assert holder.take()
    time.sleep(1.0)
    assert Lease(tmp_path / "x.lease").take() is None


def test_a_released_claim_is_free_at_once(tmp_path: Path) -> None:
    holder = Lease(tmp_path / "x.lease")
    claim = holder.take()
    assert claim is not None
    holder.release(claim.token)
    assert holder.read() is None
    assert Lease(tmp_path / "x.lease").take()


def test_the_work_keeps_the_claim_when_its_holder_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    holder, other = Lease(tmp_path / "x.lease"), Lease(tmp_path / "x.lease")
    claim = holder.take()
    assert claim is not None
    monkeypatch.setenv(HELD, f"{tmp_path / 'x.lease'}:{claim.token}")
    with kept_alive():
        end = time.monotonic() + 1.5
        while time.monotonic() < end:
            assert other.take() is None
            time.sleep(0.1)


def test_who_lost_the_claim_stops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The child that does the work ends itself; its parent only learns of it."""
    stopped: list[int] = []
    monkeypatch.setattr(module.os, "kill", lambda pid, what: stopped.append(what))
    holder = Lease(tmp_path / "x.lease")
    claim = holder.take()
    assert claim is not None
    holder.write(Claim())  # somebody else's
    with beating(holder, claim.token) as lost:
        assert lost.wait(2)
    assert not stopped
    monkeypatch.setenv(HELD, f"{tmp_path / 'x.lease'}:{claim.token}")
    with kept_alive():
        time.sleep(0.5)
    assert stopped == [module.signal.SIGTERM]


def test_a_folder_that_is_away_for_a_moment_is_no_loss_and_for_long_is(tmp_path: Path) -> None:
    class Away(Lease):
        broken = True

        def beat(self, token: str) -> bool:
            if self.broken:
                raise OSError("Stale file handle")
            return super().beat(token)

    holder = Away(tmp_path / "x.lease")
    claim = holder.take()
    assert claim is not None
    with beating(holder, claim.token) as lost:
        time.sleep(0.25)  # less than two thirds of LOST
        holder.broken = False
        assert not lost.wait(1.0)
        holder.broken = True
        assert lost.wait(2.0)
