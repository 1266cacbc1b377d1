"""kcat: the command, one process for each produce, consume and member. It has no admin commands and tells no acknowledgements:
an exit with 0 says that all lines were delivered. It commits by itself."""

import re
import subprocess
import sys
import threading
import time

import glue


class Client:
    def __init__(self, broker):
        self.broker = broker

    def create(self, topic, partitions):
        raise NotImplementedError("kcat creates no topics")

    def produce(self, topic, codec, numbers, pace):
        kcat = subprocess.Popen(["kcat", "-b", self.broker, "-P", "-t", topic, "-z", codec, "-K", "\t", "-E", "-X", "enable.idempotence=true"],
                                stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        errors = []
        reader = threading.Thread(target=lambda: errors.extend(kcat.stderr))
        reader.start()
        for n in numbers:
            kcat.stdin.write(f"{glue.key(n)}\t{glue.value(n)}\n")
            if pace:
                kcat.stdin.flush()
                time.sleep(pace)
        kcat.stdin.close()
        code = kcat.wait(60)
        reader.join()
        if code:
            raise RuntimeError(f"kcat ended with {code}: {' '.join(errors[-3:])}")
        for n in numbers:
            glue.acked(n)

    def consume(self, topic, count):
        subprocess.run(["kcat", "-q", "-b", self.broker, "-C", "-t", topic, "-o", "beginning", "-c", str(count), "-X", "check.crcs=true", "-f", "record %p %o %k %s\n"],
                       check=True, timeout=60)

    def member(self, group, topic, protocol, leave):
        kcat = subprocess.Popen(["kcat", "-q", "-u", "-E", "-b", self.broker, "-X", "auto.offset.reset=earliest", "-X", "session.timeout.ms=6000",
                                 "-X", "heartbeat.interval.ms=1000", "-X", "auto.commit.interval.ms=100", "-f", "record %p %o %k %s\n", "-G", group, topic])
        while not leave.wait(0.1):
            if kcat.poll() is not None:
                raise RuntimeError(f"kcat ended with {kcat.returncode}")
        kcat.terminate()
        kcat.wait(20)


# It is the system's package, of any version and with any librdkafka: both are told, as "1.7.1+librdkafka-2.0.2".
about = subprocess.run(["kcat", "-V"], capture_output=True, text=True).stdout
version = re.search(r"Version (\S+)", about).group(1)
if library := re.search(r"librdkafka ([^\s,)]+)", about):
    version += "+librdkafka-" + library.group(1)
glue.run(version, Client(sys.argv[1]))
