"""The Java clients, and Kafka's dump tool on the segments of each codec, against the real binary.

Needs TROUPE_JAVA_LIBS: a directory with the jars of ../agents/java/pom.xml, and a JDK (17 or later) on the path.
"""

import re
import subprocess

from conftest import Broker
from kafkatools import TOOLS, java, tools

CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]


def test_java_clients(broker):
    result = java("RoundTrip.java", broker)
    assert result.returncode == 0 and result.stdout.strip().endswith("ok"), result.stdout + result.stderr


def test_dump_log_reads_the_segments(tmp_path):
    """kcat produces with each codec; Kafka's dump tool finds that codec in the stored batches, all records, and sound indexes."""
    broker = Broker(tmp_path)
    expected = 4000
    lines = tmp_path / "lines"
    lines.write_text("".join(f"line {i} {'x' * 80}\n" for i in range(expected)))
    # One topic for each codec of the producer, one for each codec of the topic, and one that is cut in several segments.
    topics = {f"by-producer-{c}": (c, [], c) for c in CODECS}
    topics |= {f"by-topic-{c}": ("gzip" if c != "gzip" else "zstd", ["--config", f"compression.type={c.replace('none', 'uncompressed')}"], c) for c in CODECS}
    topics["rolled"] = ("none", ["--config", "segment.bytes=1048576"], "none")
    for topic, (codec, flags, _) in topics.items():
        broker.create(topic, *flags)
        for _ in range(4 if topic == "rolled" else 1):
            subprocess.run(["kcat", "-q", "-b", broker.address, "-P", "-t", topic, "-p", "0", "-z", codec, "-X", "batch.size=20000", "-l", str(lines)], check=True, timeout=60)
    broker.stop()

    commands, of = [], []
    for topic in topics:
        files = sorted((broker.data / "topics" / f"{topic}-0").glob("*.log"))
        assert len(files) > 1 or topic != "rolled"
        for log in files:
            index, times = str(log.with_suffix(".index")), str(log.with_suffix(".timeindex"))
            commands += [[TOOLS + "DumpLogSegments", "--deep-iteration", "--files", str(log)],
                         [TOOLS + "DumpLogSegments", "--index-sanity-check", "--files", f"{index},{times}"],
                         [TOOLS + "DumpLogSegments", "--verify-index-only", "--files", f"{index},{times}"]]
            of.append(topic)
    out = tools(*commands)
    found = {topic: [] for topic in topics}
    for topic, deep, sanity, verify in zip(of, out[0::3], out[1::3], out[2::3]):
        assert "isvalid: false" not in deep and "invalid bytes" not in deep, deep[-2000:]
        assert set(re.findall(r"compresscodec: (\w+)", deep)) == {topics[topic][2]}, topic
        found[topic] += [int(n) for n in re.findall(r"^\| offset: (\d+) ", deep, flags=re.MULTILINE)]
        assert sanity.count("passed sanity check") == 2, sanity
        assert not re.search(r"Mismatch|out of order|Exception", verify), verify
    for topic, offsets in found.items():
        assert offsets == list(range(expected * (4 if topic == "rolled" else 1))), topic
