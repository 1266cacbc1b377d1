"""kafkajs (Node) against the real binary. Needs TROUPE_NODE_MODULES: node_modules made from ../agents/node/package.json."""

import os
import pathlib
import subprocess

SCRIPT = pathlib.Path(__file__).resolve().parent.parent / "agents" / "node" / "roundtrip.js"


def test_kafkajs(broker):
    result = subprocess.run(["node", str(SCRIPT), broker], capture_output=True, text=True, timeout=120, env={**os.environ, "NODE_PATH": os.environ["TROUPE_NODE_MODULES"]})
    assert result.returncode == 0 and result.stdout.strip().endswith("ok"), result.stdout + result.stderr
