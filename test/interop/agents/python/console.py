"""Apache Kafka's console tools: kafka-topics, kafka-console-producer and kafka-console-consumer, each a process of its own.
The producer tells no acknowledgements: an exit with 0 and no error line says that all lines were taken."""

import os
import re
import subprocess
import sys
import threading
import time

import glue

JAVA = ["java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx128m", "-cp", os.environ["TROUPE_JAVA_LIBS"] + "/*"]
TOOLS = "org.apache.kafka.tools."


class Client:
    def __init__(self, broker):
        self.broker = broker

    def create(self, topic, partitions):
        done = subprocess.run([*JAVA, TOOLS + "TopicCommand", "--bootstrap-server", self.broker, "--create", "--topic", topic, "--partitions", str(partitions)],
                              capture_output=True, text=True, timeout=60)
        if done.returncode:
            raise RuntimeError(done.stdout + done.stderr)

    def produce(self, topic, codec, numbers, pace):
        tool = subprocess.Popen([*JAVA, TOOLS + "ConsoleProducer", "--bootstrap-server", self.broker, "--topic", topic, "--compression-codec", codec,
                                 "--reader-property", "parse.key=true"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        errors = []
        reader = threading.Thread(target=lambda: errors.extend(line for line in tool.stderr if "ERROR" in line or "Exception" in line))
        reader.start()
        for n in numbers:
            tool.stdin.write(f"{glue.key(n)}\t{glue.value(n)}\n")
            if pace:
                tool.stdin.flush()
                time.sleep(pace)
        tool.stdin.close()
        code = tool.wait(90)
        reader.join()
        if code or errors:
            raise RuntimeError(f"kafka-console-producer ended with {code}: {' '.join(errors[-3:])}")
        for n in numbers:
            glue.acked(n)

    def consumer(self, topic, *flags):
        shown = [word for p in ("partition", "offset", "key") for word in ("--formatter-property", f"print.{p}=true")]
        return subprocess.Popen([*JAVA, TOOLS + "consumer.ConsoleConsumer", "--bootstrap-server", self.broker, "--topic", topic, "--from-beginning", *shown, *flags],
                                stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)

    def show(self, tool):
        for line in tool.stdout:
            m = re.match(r"Partition:(\d+)\tOffset:(\d+)\t(\S+)\t(\S+)$", line)
            if m:
                glue.record(*m.groups())

    def consume(self, topic, count):
        tool = self.consumer(topic, "--max-messages", str(count), "--timeout-ms", "40000")
        self.show(tool)
        if tool.wait(60):
            raise RuntimeError(f"kafka-console-consumer ended with {tool.returncode}")

    def member(self, group, topic, protocol, leave):
        own = {"group.protocol": "consumer"} if protocol == "consumer" else {"session.timeout.ms": 6000, "heartbeat.interval.ms": 1000}
        properties = [word for k, v in ({"auto.commit.interval.ms": 100} | own).items() for word in ("--command-property", f"{k}={v}")]
        tool = self.consumer(topic, "--group", group, *properties)
        threading.Thread(target=self.show, args=(tool,), daemon=True).start()
        while not leave.wait(0.1):
            if tool.poll() is not None:
                raise RuntimeError(f"kafka-console-consumer ended with {tool.returncode}")
        tool.terminate()
        tool.wait(20)


jar = next(name for name in os.listdir(os.environ["TROUPE_JAVA_LIBS"]) if name.startswith("kafka-tools-") and "api" not in name)
glue.run(jar.removeprefix("kafka-tools-").removesuffix(".jar"), Client(sys.argv[1]))
