"""Apache Kafka's command line tools (Maven kafka-tools), each with what its user does first, against the real binary.

Needs TROUPE_JAVA_LIBS, as test_java.py does.
"""

import json
import re
import subprocess
import threading

import confluent_kafka
import pytest

from conftest import Broker
from kafkatools import TOOLS, start_tool, tools, try_tools


class Commands:
    """The beginnings of the tools' command lines."""

    def __init__(self, broker):
        to = ["--bootstrap-server", broker.address]
        self.topics = [TOOLS + "TopicCommand", *to]
        self.configs = ["kafka.admin.ConfigCommand", *to]
        self.groups = [TOOLS + "consumer.group.ConsumerGroupCommand", *to]
        self.offsets = [TOOLS + "GetOffsetShell", *to]
        self.producer = [TOOLS + "ConsoleProducer", *to]
        self.consumer = [TOOLS + "consumer.ConsoleConsumer", *to]
        self.producer_perf = [TOOLS + "ProducerPerformance", *to]
        self.consumer_perf = [TOOLS + "ConsumerPerformance", *to]
        self.delete_records = [TOOLS + "DeleteRecordsCommand", *to]
        self.log_dirs = [TOOLS + "LogDirsCommand", *to]
        self.api_versions = [TOOLS + "BrokerApiVersionsCommand", *to]
        self.cluster = [TOOLS + "ClusterTool"]
        self.to = to
        self.features = [TOOLS + "FeatureCommand", *to]


@pytest.fixture(scope="module")
def c(shared_broker):
    return Commands(shared_broker)


def offsets_of(text):
    """The lines topic:partition:offset of kafka-get-offsets."""
    return {int(line.split(":")[1]): int(line.split(":")[2]) for line in text.split() if line.count(":") == 2}


def table(text, columns):
    """The rows of a table of kafka-consumer-groups as dicts."""
    lines = [line.split() for line in text.splitlines() if line.strip()]
    head = next(i for i, line in enumerate(lines) if line[: len(columns)] == columns)
    return [dict(zip(lines[head], line)) for line in lines[head + 1:]]


def fill(broker, topic, count, *flags):
    lines = "".join(f"k{i}\tv{i}\n" for i in range(count))
    subprocess.run(["kcat", "-q", "-b", broker.address, "-P", "-t", topic, "-K", "\t", *flags], input=lines, text=True, check=True, timeout=60)


def test_kafka_topics(c):
    results = try_tools(
        [*c.topics, "--create", "--topic", "topics", "--partitions", "2", "--replication-factor", "1", "--config", "retention.ms=3600000"],
        [*c.topics, "--create", "--topic", "topics"],
        [*c.topics, "--create", "--if-not-exists", "--topic", "topics"],
        [*c.topics, "--list"],
        [*c.topics, "--alter", "--topic", "topics", "--partitions", "3"],
        [*c.topics, "--alter", "--topic", "topics", "--partitions", "2"],
        [*c.topics, "--describe", "--topic", "topics"],
        [*c.topics, "--describe", "--topic", "not-there"],
        [*c.topics, "--describe", "--under-replicated-partitions"],
        [*c.topics, "--describe", "--topics-with-overrides"],
        [*c.topics, "--create", "--topic", "bad name"],
        [*c.topics, "--create", "--topic", "too-many", "--replication-factor", "2"],
        [*c.topics, "--delete", "--topic", "topics"],
        [*c.topics, "--delete", "--topic", "topics"],
        [*c.topics, "--list"],
    )
    assert [code for code, _ in results] == [0, 1, 0, 0, 0, 1, 0, 1, 0, 0, 1, 1, 0, 1, 0], results
    created, again, _, listed, _, fewer, described, absent, under, overrides, bad, replicas, _, gone, after = [text for _, text in results]
    assert "Created topic topics." in created and "already exists" in again
    assert "topics" in listed.split() and "topics" not in after.split()
    assert all("Error while executing topic command" in text for text in (again, fewer, bad, replicas))
    assert "PartitionCount: 3" in described and "ReplicationFactor: 1" in described and "retention.ms=3600000" in described
    assert described.count("Leader: 1\tReplicas: 1\tIsr: 1") == 3
    assert "does not exist as expected" in absent and "does not exist as expected" in gone
    assert "Topic:" not in under
    assert "Topic: topics\t" in overrides


def test_kafka_configs(c, shared_broker):
    topic, broker = ["--entity-type", "topics", "--entity-name", "configs"], ["--entity-type", "brokers", "--entity-name", "1"]
    default = ["--entity-type", "brokers", "--entity-default"]
    shared_broker.create("configs")
    results = try_tools(
        [*c.configs, *topic, "--describe"],
        [*c.configs, *topic, "--alter", "--add-config", "max.message.bytes=2000000,retention.ms=5000"],
        [*c.configs, *topic, "--describe"],
        [*c.configs, *topic, "--alter", "--delete-config", "retention.ms"],
        [*c.configs, *topic, "--describe", "--all"],
        [*c.configs, *topic, "--alter", "--add-config", "no.such.key=1"],
        [*c.configs, *topic, "--alter", "--add-config", "retention.ms=many"],
        [*c.configs, "--entity-type", "topics", "--entity-name", "not-there", "--alter", "--add-config", "retention.ms=1"],
        [*c.configs, *broker, "--alter", "--add-config", "log.retention.ms=900000"],
        [*c.configs, *broker, "--describe"],
        [*c.configs, *topic, "--describe", "--all"],
        [*c.configs, *broker, "--alter", "--delete-config", "log.retention.ms"],
        [*c.configs, *default, "--alter", "--add-config", "log.retention.ms=800000"],
        [*c.configs, *default, "--describe"],
        [*c.configs, *topic, "--describe", "--all"],
        [*c.configs, *default, "--alter", "--delete-config", "log.retention.ms"],
        [*c.configs, *broker, "--describe", "--all"],
    )
    assert [code for code, _ in results] == [0, 0, 0, 0, 0, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0], results
    none, _, both, _, one, unknown, wrong, absent, _, of_broker, inherited, _, _, of_all, inherited_of_all, _, everything = [text for _, text in results]
    assert "retention.ms" not in none
    assert "max.message.bytes=2000000" in both and "retention.ms=5000" in both
    assert "max.message.bytes=2000000" in one and "retention.ms=604800000" in one
    assert "InvalidConfigurationException" in unknown and "InvalidConfigurationException" in wrong and "UnknownTopicOrPartitionException" in absent
    assert "log.retention.ms=900000 sensitive=false synonyms={DYNAMIC_BROKER_CONFIG:log.retention.ms=900000" in of_broker
    assert "retention.ms=900000 sensitive=false synonyms={DYNAMIC_BROKER_CONFIG:log.retention.ms=900000" in inherited
    assert "log.retention.ms=800000" in of_all and "DYNAMIC_DEFAULT_BROKER_CONFIG:log.retention.ms=800000" in inherited_of_all
    assert "log.retention.ms=604800000" in everything and "min.insync.replicas=1" in everything and "node.id=1" in everything


def test_console_and_perf_tools(c, shared_broker):
    """The console tools' round trip with keys, headers and a group; both perf tools; offsets, directories and deleted records."""
    shared_broker.create("console")
    shared_broker.create("perf", "--partitions", "3")
    lines = "".join(f"h:{i}\tkey{i}\tvalue {i}\n" for i in range(200))
    result = start_tool([*c.producer, "--topic", "console", "--reader-property", "parse.key=true", "--reader-property", "parse.headers=true",
                         "--compression-codec", "zstd"]).communicate(lines, timeout=60)
    assert "ERROR" not in result[0], result[0]
    deleted = shared_broker.data.parent / "delete.json"
    deleted.write_text(json.dumps({"version": 1, "partitions": [{"topic": "perf", "partition": p, "offset": 10} for p in (0, 1)]}))
    shown = [word for p in ("partition", "offset", "key", "headers", "timestamp") for word in ("--formatter-property", f"print.{p}=true")]
    first, second, of_partition, produced, slow, consumed, ends, newest, low, begins, beyond, dirs = tools(
        [*c.consumer, "--topic", "console", "--group", "console", "--from-beginning", "--max-messages", "120", *shown],
        [*c.consumer, "--topic", "console", "--group", "console", "--max-messages", "80", "--timeout-ms", "20000"],
        [*c.consumer, "--topic", "console", "--partition", "0", "--offset", "190", "--max-messages", "5", "--formatter-property", "print.offset=true"],
        [*c.producer_perf, "--topic", "perf", "--num-records", "50000", "--record-size", "100", "--throughput", "-1", "--command-property", "compression.type=lz4",
         "--command-property", "acks=all"],
        [*c.producer_perf, "--topic", "perf", "--num-records", "1000", "--record-size", "100", "--throughput", "1000"],
        [*c.consumer_perf, "--topic", "perf", "--num-records", "50000", "--group", "perf", "--hide-header"],
        [*c.offsets, "--topic", "perf"],
        [*c.offsets, "--topic", "perf", "--time", "max-timestamp"],
        [*c.delete_records, "--offset-json-file", str(deleted)],
        [*c.offsets, "--topic-partitions", "perf:0,perf:1", "--time", "earliest"],
        [*c.offsets, "--topic", "perf", "--time", "4000000000000"],
        [*c.log_dirs, "--describe", "--topic-list", "perf"],
    )
    rows = re.findall(r"^CreateTime:\d+\tPartition:0\tOffset:(\d+)\th:(\d+)\tkey(\d+)\tvalue (\d+)$", first, flags=re.MULTILINE)
    assert rows == [(str(i),) * 4 for i in range(120)], first[:500]
    assert re.findall(r"^value (\d+)$", second, flags=re.MULTILINE) == [str(i) for i in range(120, 200)], second[:500]
    assert re.findall(r"^Offset:(\d+)\t", of_partition, flags=re.MULTILINE) == ["190", "191", "192", "193", "194"]
    assert "50000 records sent" in produced and "1000 records sent" in slow
    assert int(float(consumed.strip().split("\n")[-1].split(",")[4])) >= 50000, consumed
    assert sum(offsets_of(ends).values()) == 51000 and len(offsets_of(newest)) == 3
    assert low.count("low_watermark: 10") == 2
    assert offsets_of(begins) == {0: 10, 1: 10}
    assert not offsets_of(beyond)
    replicas = json.loads(next(line for line in dirs.splitlines() if line.startswith("{")))["brokers"][0]["logDirs"][0]["partitions"]
    assert sorted(r["partition"] for r in replicas) == ["perf-0", "perf-1", "perf-2"] and all(r["size"] > 0 for r in replicas)


def test_kafka_consumer_groups(c, shared_broker):
    """A live group is described with offsets, members and state; an empty one is reset, loses offsets and is deleted."""
    shared_broker.create("grouped", "--partitions", "2")
    fill(shared_broker, "grouped", 100, "-p", "0")
    fill(shared_broker, "grouped", 60, "-p", "1")
    consumer = confluent_kafka.Consumer({"bootstrap.servers": shared_broker.address, "group.id": "live", "client.id": "the-client", "auto.offset.reset": "earliest",
                                         "enable.auto.commit": False, "partition.assignment.strategy": "range"})
    consumer.subscribe(["grouped"])
    got = 0
    while got < 160:
        message = consumer.poll(20)
        assert message is not None and message.error() is None
        got += 1
    consumer.commit(offsets=[confluent_kafka.TopicPartition("grouped", 0, 40), confluent_kafka.TopicPartition("grouped", 1, 60)], asynchronous=False)
    stop = threading.Event()
    alive = threading.Thread(target=lambda: [consumer.poll(0.2) for _ in iter(stop.is_set, True)])
    alive.start()
    try:
        results = try_tools(
            [*c.groups, "--list"],
            [*c.groups, "--list", "--state", "stable"],
            [*c.groups, "--list", "--type", "classic"],
            [*c.groups, "--describe", "--group", "live"],
            [*c.groups, "--describe", "--group", "live", "--members", "--verbose"],
            [*c.groups, "--describe", "--group", "live", "--state"],
            [*c.groups, "--reset-offsets", "--group", "live", "--topic", "grouped", "--to-earliest", "--execute"],
            [*c.groups, "--delete", "--group", "live"],
            [*c.groups, "--delete-offsets", "--group", "live", "--topic", "grouped"],
        )
    finally:
        stop.set()
        alive.join()
    listed, stable, classic, described, members, state, reset, deleted, deleted_offsets = [text for _, text in results]
    assert "live" in listed.split() and "live" in stable.split() and "live" in classic.split()
    rows = {row["PARTITION"]: row for row in table(described, ["GROUP", "TOPIC", "PARTITION"])}
    assert (rows["0"]["CURRENT-OFFSET"], rows["0"]["LOG-END-OFFSET"], rows["0"]["LAG"], rows["0"]["CLIENT-ID"]) == ("40", "100", "60", "the-client"), described
    assert (rows["1"]["CURRENT-OFFSET"], rows["1"]["LAG"]) == ("60", "0")
    assert re.search(r"live .*the-client.*/127\.0\.0\.1 +the-client +2 .*grouped[(:]0,1", members), members
    assert re.search(r"live .*\(1\) +range +Stable +1", state), state
    assert "inactive" in reset, reset
    assert "GroupNotEmptyException" in deleted, deleted
    assert "GroupSubscribedToTopicException" in deleted_offsets, deleted_offsets
    consumer.close()

    groups = [*c.groups, "--group", "live"]
    reset = [*groups, "--reset-offsets", "--topic", "grouped"]
    dry, _, shifted, partly, by_time, latest, exported, of_new, removed, after, gone, again, left, states = tools(
        [*reset, "--to-earliest", "--dry-run"],
        [*reset, "--to-offset", "7", "--execute"],
        [*reset, "--shift-by", "5", "--execute"],
        [*groups, "--reset-offsets", "--topic", "grouped:1", "--to-current", "--dry-run"],
        [*reset, "--to-datetime", "2020-01-01T00:00:00.000", "--dry-run"],
        [*reset, "--to-latest", "--dry-run"],
        [*reset, "--to-latest", "--dry-run", "--export"],
        [*c.groups, "--reset-offsets", "--group", "never-seen", "--topic", "grouped", "--to-earliest", "--execute"],
        [*groups, "--delete-offsets", "--topic", "grouped:0"],
        [*groups, "--describe", "--offsets"],
        [*c.groups, "--delete", "--group", "live", "--group", "never-seen"],
        [*c.groups, "--delete", "--group", "live"],
        [*c.groups, "--list"],
        [*c.groups, "--describe", "--all-groups", "--state"],
    )

    def new_offsets(text):
        return {row["PARTITION"]: row["NEW-OFFSET"] for row in table(text, ["GROUP", "TOPIC", "PARTITION"])}

    assert new_offsets(dry) == {"0": "0", "1": "0"} and new_offsets(shifted) == {"0": "12", "1": "12"} and new_offsets(partly) == {"1": "12"}
    assert new_offsets(by_time) == {"0": "0", "1": "0"} and new_offsets(latest) == {"0": "100", "1": "60"}
    assert sorted(line for line in exported.splitlines() if line.strip()) == ["grouped,0,100", "grouped,1,60"], exported
    assert new_offsets(of_new) == {"0": "0", "1": "0"}
    assert "Successful" in removed
    assert [(row["PARTITION"], row["CURRENT-OFFSET"]) for row in table(after, ["GROUP", "TOPIC", "PARTITION"])] == [("1", "12")], after
    assert "was successful" in gone and "GroupIdNotFoundException" in again
    assert not {"live", "never-seen"} & set(left.split()) and "live" not in states.split()


def test_dump_log_decodes_the_groups_topic(tmp_path):
    """kafka-dump-log reads the commits and the group's metadata from the segments of __consumer_offsets."""
    broker = Broker(tmp_path)
    broker.create("dumped")
    fill(broker, "dumped", 30, "-p", "0")
    subprocess.run(["kcat", "-q", "-b", broker.address, "-X", "auto.offset.reset=earliest", "-c", "30", "-G", "dumper", "dumped"], check=True, timeout=60, stdout=subprocess.DEVNULL)
    broker.stop()
    segments = [log for log in sorted(broker.data.glob("topics/__consumer_offsets-*/*.log")) if log.stat().st_size]
    assert len(segments) == 1, segments
    [text] = tools([TOOLS + "DumpLogSegments", "--offsets-decoder", "--print-data-log", "--deep-iteration", "--files", str(segments[0])])
    assert "isvalid: false" not in text
    assert re.search(r'key: \{"type":"1","data":\{"group":"dumper","topic":"dumped","partition":0\}\} payload: \{"version":"\d","data":\{"offset":30,', text), text[-3000:]
    assert re.search(r'key: \{"type":"2","data":\{"group":"dumper"\}\} payload: \{"version":"\d","data":\{"protocolType":"consumer"', text), text[-3000:]


def test_tools_that_look_at_the_cluster(c):
    versions, cluster, endpoints, features = tools(c.api_versions, [*c.cluster, "cluster-id", *c.to], [*c.cluster, "list-endpoints", *c.to], [*c.features, "describe"])
    assert "(id: 1 rack: null isFenced: false) -> (" in versions and "Produce(0): 0 to 13" in versions and "Fetch(1): 4 to 18" in versions
    assert "JoinGroup(11): 0 to 9 [usable: 9]" in versions and "OffsetFetch(9): 1 to " in versions
    assert "Cluster ID: " in cluster and "127.0.0.1" in endpoints
    assert "metadata.version" in features and "Exception" not in features
