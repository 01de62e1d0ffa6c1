"""One trial: an operation, the death of the service at one point, repair, and the client's last questions.

The trial draws every choice from its own random numbers, so that it can be played again alone. The trial judges what it
alone can see (the author and time of each write); the oracle judges all the rest at the end of a run.
"""

import signal
import time
from concurrent.futures import Future, ThreadPoolExecutor

from tests.crash.caller import Heard, ask, ask_and_leave
from tests.crash.intents import may_be_partial
from tests.crash.play import PAUSE, ROUNDS, TRIES, Play
from tests.crash.points import RETRY_KILLS
from tests.crash.processes import Process
from tests.crash.stages import UNDER_WAY
from tests.support.waiting import wait_until


class Trial(Play):
    """A trial in which the first process dies, or is stopped until another one has taken over."""

    def play(self) -> None:
        """Play it through."""
        try:
            self._play()
        finally:
            if self._scenario.desk:
                self._scenario.desk.tell(self._scenario.steady.port)
            for helper in self._helpers:  # each has connections: hundreds of trials would use up the database's
                helper.kill()

    def _play(self) -> None:
        intent = self._intent = self._want()
        self._arm(intent)
        if self._stage.stops:
            self._outlive()
        else:
            self._die()
        self._no_orphans("right after the death")
        died = time.monotonic()
        self._pester()
        if not self._stage.recover and self._random.random() < 0.3:
            self._die_again()
        if self._repair():
            self.recovery_seconds = time.monotonic() - died
            self._ask_again()

    def _die(self) -> None:
        """Let the first process do its part, and kill it."""
        stage, intent = self._stage, self._intent
        first = self._first = self._scenario.serve(
            stage.arm, without_gateway=stage.gateway_is_down, through_proxy=stage.cut is not None
        )
        if stage.cut and self._scenario.proxy:
            self._scenario.proxy.cut(*stage.cut)
        if stage.sleeps:
            self._die_beside_a_rival(first)
        elif stage.client_leaves:
            ask_and_leave(first.port, intent.request())
            wait_until(lambda: first.has_ended or self._is_final(), lambda: f"{self._label}: left and forgotten")
        else:
            self._has_come_by(first, self._hear_out(first))
        first.kill()
        self.kills += 1

    def _hear_out(self, first: Process) -> Heard | None:
        """Return the first process's answer. If a busy bank seemed silent, ask again: the process has to die."""
        heard = self._hear(first, self._intent)
        for _ in range(TRIES if self._stage.arm.endswith("=kill") else 0):
            if heard is None or heard.is_final:
                break
            self._scenario.tables.end_leases(self._intent.key_hash)
            heard = self._hear(first, self._intent)
        return heard

    def _has_come_by(self, first: Process, heard: Heard | None) -> None:
        """Check that the trial reached its point: otherwise it has proved nothing."""
        if self._stage.arm.endswith("=kill") and (heard or first.wait() != signal.SIGKILL):
            self._violated(self._label, f"{self._stage.arm} was never reached: {heard}")
        if self._stage.cut and self._scenario.proxy and not self._scenario.proxy.has_cut:
            self._violated(self._label, "no connection was cut")

    def _die_beside_a_rival(self, first: Process) -> None:
        with ThreadPoolExecutor(2) as threads:
            asked = [threads.submit(self._hear, first, self._intent)]
            time.sleep(self._random.uniform(0.02, 0.1))
            if self._random.random() < 0.7:
                asked.append(threads.submit(self._hear, self._scenario.steady, self._intent))
                time.sleep(self._random.uniform(0, 0.05))
            first.kill()
            for answer in asked:
                answer.result()

    def _outlive(self) -> None:
        """Stop the first process until its lease ends and another owner has taken over; then wake it up."""
        if self._scenario.desk:  # a notice would wake the key while the rows are compared
            self._scenario.desk.be_silent()
        zombie = self._first = self._scenario.serve(self._stage.arm)
        with ThreadPoolExecutor(1) as thread:
            late = thread.submit(self._hear, zombie, self._intent)
            zombie.wait_until_stopped()
            self._scenario.tables.end_leases(self._intent.key_hash)
            if self._random.random() < 0.5:
                self._hear(self._scenario.steady, self._intent)
            else:
                self._scenario.recover()
            self._wake(zombie, late)
        zombie.kill()
        self.kills += 1

    def _wake(self, zombie: Process, late: "Future[Heard | None]") -> None:
        """Check that the woken process writes nothing, and answers with the stored response, if there is one."""
        before, was_final = self._scenario.tables.about(self._intent.key_hash), self._is_final()
        while not late.done():  # it may pass the place where it stops more than once
            if zombie.is_stopped:
                zombie.resume()
            time.sleep(0.005)
        answer = late.result()
        if self._scenario.tables.about(self._intent.key_hash) != before:
            self._violated("S8", "an owner that had lost its lease wrote")
        if answer is None:
            self._violated("C15", "an owner that had lost its lease did not answer")
        elif answer.is_final != was_final:
            self._violated("C15", f"an owner that had lost its lease answered {answer.status} {answer.body!r}")

    def _pester(self) -> None:
        """While the key is unfinished: the worker leaves it alone, a repeat waits, another request is refused."""
        key = self._scenario.tables.key(self._intent.key_hash)
        if key is not None and self._random.random() < 0.3:
            self._recover()
        if key is None or self._random.random() < 0.6:
            return
        if self._intent.opens or may_be_partial(self._intent.kind):
            other = ask(self._scenario.steady.port, self._intent.request(renamed=self._renames, amount=1))
            if other is None or other.status != 422 or other.json.get("code") != "idempotency_key_mismatch":
                self._violated("S7", f"another request under the same key got {other}")
        repeat = self._hear(self._scenario.steady, self._intent)
        if repeat and not repeat.is_final and repeat.retry_after is None:
            self._violated("L2", f"a repeat got {repeat.status} without Retry-After")

    def _die_again(self) -> None:
        """Kill the first retry, too."""
        self._scenario.tables.end_leases(self._intent.key_hash)
        retry = self._scenario.serve(self._random.choice(RETRY_KILLS))
        self._hear(retry, self._intent)
        retry.kill()
        self.kills += 1

    def _repair(self) -> bool:
        """Let the client or the recovery worker bring the key to its end. False if neither will."""
        if self._stage.recover:
            self._worker_dies()
        by_worker = self._stage.recover or self._random.random() < 0.4
        if by_worker and self._scenario.tables.key(self._intent.key_hash) is None and self._random.random() < 0.5:
            self._intent.ends = "nothing"  # the client gives up, and nothing of it is anywhere
            return False
        helper = self._scenario.steady if self._random.random() < 0.5 else self._helper()
        began = time.monotonic()
        for _ in range(2 if self._intent.ends == "review" else ROUNDS):
            self._scenario.tables.end_leases(self._intent.key_hash)
            if by_worker and self._scenario.tables.key(self._intent.key_hash):
                self._recover()
            else:
                self._hear(helper, self._intent)
            if self._is_final():
                return True
            if time.monotonic() - began > UNDER_WAY and self._scenario.needs_a_person(self._intent.key_hash):
                self._intent.ends = "review"
                return True
            time.sleep(PAUSE)
        if self._intent.ends != "review":
            self._violated("L3", f"the key is not final after {ROUNDS} rounds")
        return True

    def _worker_dies(self) -> None:
        """Kill the recovery worker at its point."""
        for _ in range(TRIES):
            self._hurry()
            if self._scenario.recover(self._stage.recover) == signal.SIGKILL:
                self.kills += 1
                return
        self._violated(self._label, f"the worker did not come by {self._stage.recover}: {self._scenario.log()[-400:]}")

    def _ask_again(self) -> None:
        """More repeats, of two processes, also of what was refunded since: the bytes of the first final answer."""
        for process in (self._scenario.steady, self._helper()):
            for intent in self.intents:
                heard = self._hear(process, intent)
                if heard is None or (heard.is_final and not heard.replayed):
                    self._violated("S6", f"a repeat got {heard}, which is not marked as replayed")
