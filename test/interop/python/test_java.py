"""The Java clients and Apache Kafka's own tools, from Maven, against the real binary.

Needs TROUPE_JAVA_LIBS: a directory with the jars of ../agents/java/pom.xml, and a JDK (17 or later) on the path.
"""

import json
import re
import subprocess

from conftest import Broker
from kafkatools import TOOLS, java, tools

CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]


def test_java_clients(broker):
    result = java("RoundTrip.java", broker)
    assert result.returncode == 0 and result.stdout.strip().endswith("ok"), result.stdout + result.stderr


def test_tools_administer_topics(shared_broker):
    to = ["--bootstrap-server", shared_broker.address]
    topics, configs, offsets = [TOOLS + "TopicCommand", *to], ["kafka.admin.ConfigCommand", *to], [TOOLS + "GetOffsetShell", *to]
    records = shared_broker.data.parent / "delete.json"
    records.write_text(json.dumps({"version": 1, "partitions": [{"topic": "tools", "partition": p, "offset": 10} for p in (0, 1)]}))
    out = tools(
        [*topics, "--create", "--topic", "tools", "--partitions", "2", "--config", "retention.ms=3600000"],
        [*topics, "--alter", "--topic", "tools", "--partitions", "3"],
        [*topics, "--describe", "--topic", "tools"],
        [*configs, "--alter", "--topic", "tools", "--add-config", "segment.bytes=2000000", "--delete-config", "retention.ms"],
        [*configs, "--describe", "--topic", "tools"],
        [*configs, "--describe", "--broker", "1", "--all"],
        [TOOLS + "ProducerPerformance", *to, "--topic", "tools", "--num-records", "30000", "--record-size", "100", "--throughput", "-1", "--command-property", "compression.type=lz4"],
        offsets + ["--topic", "tools"],
        offsets + ["--topic", "tools", "--time", "max-timestamp"],
        [TOOLS + "DeleteRecordsCommand", *to, "--offset-json-file", str(records)],
        offsets + ["--topic-partitions", "tools:0,tools:1", "--time", "earliest"],
        [TOOLS + "consumer.ConsoleConsumer", *to, "--topic", "tools", "--partition", "0", "--offset", "earliest", "--max-messages", "5", "--formatter-property", "print.offset=true"],
        [TOOLS + "LogDirsCommand", *to, "--describe", "--topic-list", "tools"],
        [TOOLS + "ClusterTool", "cluster-id", *to],
        [TOOLS + "BrokerApiVersionsCommand", *to],
        [TOOLS + "FeatureCommand", *to, "describe"],
        [*topics, "--delete", "--topic", "tools"],
        [*topics, "--list"],
    )
    described, configured, of_broker, perf, ends, newest, deleted, begins, consumed, dirs, cluster, versions, features, _, listed = out[2], *out[4:]
    assert "PartitionCount: 3" in described and "retention.ms=3600000" in described and described.count("Leader: 1") == 3
    assert "segment.bytes=2000000" in configured and "retention.ms" not in configured
    assert "min.insync.replicas=1" in of_broker
    assert "30000 records sent" in perf
    assert sum(int(line.split(":")[2]) for line in ends.split()) == 30000
    assert newest.count("tools:") == 3
    assert deleted.count("low_watermark: 10") == 2
    assert begins.split() == ["tools:0:10", "tools:1:10"]
    assert "Offset:10\t" in consumed and "Processed a total of 5 messages" in consumed
    replicas = json.loads(next(line for line in dirs.splitlines() if line.startswith("{")))["brokers"][0]["logDirs"][0]["partitions"]
    assert sorted(r["partition"] for r in replicas) == ["tools-0", "tools-1", "tools-2"] and all(r["size"] > 0 for r in replicas)
    assert "Cluster ID: " in cluster
    assert "Produce(0): 0 to 13" in versions and "Fetch(1): 4 to 18" in versions
    assert "metadata.version" in features
    assert "tools" not in listed.split()


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
