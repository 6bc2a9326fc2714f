"""Runs tracks side by side, each in a process of its own."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkProcess
from typing import Any, Generic, TypeVar

from .interruptions import SIGNALS, interruptions_handled
from .results import End, Part

Task = TypeVar("Task")


Work = Callable[[Task, Callable[[Part], None], End], None]
"""Does a task, reports its parts, and writes down how it ended. Never raises."""


@dataclass
class _Worker(Generic[Task]):
    task: Task
    process: ForkProcess
    messages: Connection
    interruptions: int  # that were passed on to it


class Pool(Generic[Task]):
    """Does tasks in at most so many processes at a time, in the order in which they are given.

    work: is called in a process of its own for each task. report, ended: are called here with what
    it reports. The first Ctrl-C, SIGTERM or SIGHUP is passed on, and starts nothing more; so is the
    second.
    """

    def __init__(
        self,
        jobs: int,
        work: Work[Task],
        report: Callable[[Task, Part], None],
        ended: Callable[[Task, End], None],
    ) -> None:
        self.jobs = jobs
        self.work = work
        self.report = report
        self.ended = ended
        self._workers: list[_Worker[Task]] = []
        self._interruptions = 0
        self._stopping = False

    def run(self, tasks: Sequence[Task]) -> bool:
        """Do them all; return whether it was interrupted."""
        waiting = list(tasks)
        ours, theirs = os.pipe()  # its end tells the processes that this one is no more
        try:
            with interruptions_handled(self._interrupt):
                while waiting or self._workers:
                    while waiting and len(self._workers) < self.jobs and not self._stopping:
                        self._start(waiting.pop(0), ours, theirs)
                    if not self._workers:
                        break
                    for messages in wait([each.messages for each in self._workers]):
                        self._receive(messages)
        finally:
            os.close(ours)
            os.close(theirs)
        return self._interruptions > 0

    def _start(self, task: Task, ours: int, theirs: int) -> None:
        here, there = multiprocessing.Pipe(duplex=False)
        context = multiprocessing.get_context("fork")
        others = [here, *(each.messages for each in self._workers)]
        process = context.Process(target=_run, args=(self.work, task, there, others, ours, theirs))
        before = self._interruptions
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        try:
            process.start()
            self._workers.append(_Worker(task, process, here, before))
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        there.close()
        self._pass_on()

    def _receive(self, messages: Any) -> None:
        worker = next(each for each in self._workers if each.messages is messages)
        try:
            message = worker.messages.recv()
        except EOFError:
            worker.process.join()
            message = End(
                fault=f"A process of the run ended with exit code {worker.process.exitcode}."
            )
        if isinstance(message, Part):
            self.report(worker.task, message)
            return
        self._workers.remove(worker)
        worker.messages.close()
        worker.process.join()
        self._stopping |= bool(message.engine_down or message.fault)
        self.ended(worker.task, message)

    def _interrupt(self) -> None:
        self._interruptions += 1
        self._stopping = True
        self._pass_on()

    def _pass_on(self) -> None:
        """Interrupt each process once for each interruption that it has not had."""
        for worker in self._workers:
            while worker.interruptions < self._interruptions:
                worker.interruptions += 1
                with suppress(ProcessLookupError):
                    os.kill(worker.process.pid or 0, signal.SIGINT)


def _run(
    work: Work[Task],
    task: Task,
    messages: Connection,
    others: Sequence[Connection],
    ours: int,
    theirs: int,
) -> None:
    """Do a task in this process, which was made for it."""
    os.setpgid(0, 0)  # a terminal's Ctrl-C reaches it by way of the first process only
    os.close(theirs)
    for each in others:
        each.close()
    threading.Thread(target=_end_with_the_first_process, args=(ours,), daemon=True).start()
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # which the first process passes on
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    end = End()

    def send(message: Part | End) -> None:
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        try:
            messages.send(message)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)

    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        work(task, send, end)
    except KeyboardInterrupt:  # just before or just after
        end.interrupted = True
    except Exception:
        end.fault = traceback.format_exc()
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    messages.send(end)


def _end_with_the_first_process(lifeline: int) -> None:
    os.read(lifeline, 1)
    os._exit(1)
