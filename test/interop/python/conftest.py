"""The broker that the tests of this directory share: the real binary, named by TROUPE_BIN, started once."""

import os
import socket
import subprocess
import time
import urllib.request

import pytest


# How many tests each file has. A run of the whole directory that runs another number fails, so that nothing is left out silently.
EXPECTED = {"test_clients.py": 26, "test_java.py": 2, "test_kafkajs.py": 1, "test_tools.py": 6}


def pytest_collection_finish(session):
    session.config.interop_whole = session.config.args == ["python"] and not session.config.option.keyword


def pytest_sessionfinish(session):
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    passed = {}
    for report in reporter.stats.get("passed", []):
        name = report.nodeid.split("::")[0].split("/")[-1]
        passed[name] = passed.get(name, 0) + 1
    if session.config.interop_whole and session.exitstatus == 0 and passed != EXPECTED:
        reporter.write_line(f"\nexpected tests {EXPECTED}, passed {passed} (conftest.py)", red=True)
        session.exitstatus = 1


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Broker:
    """One broker with a directory of its own."""

    def __init__(self, directory, *flags):
        self.data, self.log_file = directory / "data", directory / "log"
        self.address, self.admin = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
        with open(self.log_file, "wb") as log:
            self.process = subprocess.Popen(
                [os.environ["TROUPE_BIN"], "serve", "--data-dir", str(self.data), "--kafka-addr", self.address, "--admin-addr", self.admin, *flags],
                stdout=log, stderr=log)
        deadline = time.monotonic() + 20
        while True:
            try:
                if urllib.request.urlopen(f"http://{self.admin}/readyz", timeout=2).status == 200:
                    return
            except OSError:
                pass
            if self.process.poll() is not None or time.monotonic() > deadline:
                pytest.fail("the broker did not become ready:\n" + self.log())
            time.sleep(0.01)

    def log(self):
        return self.log_file.read_text()[-4000:]

    def stop(self):
        self.process.terminate()
        assert self.process.wait(timeout=30) == 0, self.log()
        assert "panicked" not in self.log_file.read_text()

    def kill(self):
        self.process.kill()
        self.process.wait()

    def create(self, topic, *flags):
        subprocess.run([os.environ["TROUPE_BIN"], "topic", "create", topic, "--partitions", "1", "--bootstrap", self.address, *flags], check=True, timeout=30)


@pytest.fixture(scope="session")
def shared_broker(tmp_path_factory):
    broker = Broker(tmp_path_factory.mktemp("broker"))
    yield broker
    broker.stop()


@pytest.fixture(scope="session")
def broker(shared_broker):
    """The address of the shared broker."""
    return shared_broker.address
