"""Runs scripts of this folder, each in a fork of this process, which has imported ComfyUI once.

Argument: ComfyUI's folder. Each line of stdin is a JSON array: a script's name, its arguments, and
its limit in seconds. Each line of stdout answers it: exit status, what it printed, its errors.
"""

import json
import os
import runpy
import select
import signal
import sys
import traceback
from pathlib import Path

answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)  # what ComfyUI prints is no answer

import host_in_process as process  # noqa: E402  isort: skip

HERE = Path(__file__).resolve().parent


def run(name, arguments, seconds, outputs):
    """In the fork: run the script with these files as stdout and stderr, then end."""
    for number, file in enumerate((os.open(os.devnull, os.O_RDONLY), *outputs)):
        os.dup2(file, number)
    signal.alarm(seconds)
    process.ARGUMENTS, status = arguments, 1
    try:
        runpy.run_path(str(HERE / name), run_name="__main__")
        status = 0
    except BaseException:
        traceback.print_exc()
    sys.stdout.flush()
    os._exit(status)


def read(files):
    """The text of each pipe, as soon as all are closed."""
    texts, left = {file: b"" for file in files}, set(files)
    while left:
        for file in select.select(left, [], [])[0]:
            part = os.read(file, 1 << 16)
            texts[file] += part
            if not part:
                left.remove(file)
                os.close(file)
    return [text.decode("utf-8", "replace") for text in texts.values()]


for line in sys.stdin:
    sources, outputs = zip(os.pipe(), os.pipe(), strict=True)
    child = os.fork()
    if not child:
        run(*json.loads(line), outputs)
    for file in outputs:
        os.close(file)
    texts = read(sources)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    answers.write(json.dumps([status, *texts]) + "\n")
    answers.flush()
