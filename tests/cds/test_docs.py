"""The page for integrators is run: each step with curl, against a service on a socket, has the output that it shows."""

import os
import re
import subprocess
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs/how_to/cds_hooks.md"
STEP = re.compile(r"```sh\n(?P<commands>.*?)```\n```output\n(?P<output>.*?)```", re.DOTALL)


@pytest.fixture(scope="module")
def address(socketed, tmp_path_factory):
    with socketed(tmp_path_factory.mktemp("docs") / "record.db") as one:
        yield one.client.address


def test_every_step_of_the_page_gives_what_it_shows(address, tmp_path):
    steps = list(STEP.finditer(PAGE.read_text(encoding="utf-8")))
    assert len(steps) == 4
    environment = {**os.environ, "no_proxy": "*"}
    for step in steps:
        commands = step["commands"].replace("localhost:8071", address.removeprefix("http://"))
        script = f"set -euo pipefail\n{commands}"
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        shown = ".*".join(re.escape(part) for part in step["output"].strip().split("..."))
        assert re.fullmatch(shown, done.stdout.strip()), done.stdout
