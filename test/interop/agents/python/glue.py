"""The loop that the Python glue shares: commands come on standard input, answers go to standard output (../README.md)."""

import sys
import threading

lock = threading.Lock()


def say(*words):
    with lock:
        sys.stdout.write(" ".join(map(str, words)) + "\n")
        sys.stdout.flush()


def one_line(error):
    return repr(error).replace("\n", " ")


def acked(n, partition=-1, offset=-1):
    say("acked", n, partition, offset)


def unacked(n, error):
    say("unacked", n, one_line(error))


def text(raw):
    return raw.decode() if isinstance(raw, bytes) else raw


def record(partition, offset, key, value):
    say("record", partition, offset, text(key), text(value))


def key(n):
    return f"key-{n}"


def value(n):
    return f"value-{n}-{'x' * 100}"


def run(version, client):
    """Serves the commands with client's methods create, produce, consume and member."""
    say("version", version)
    for line in sys.stdin:
        command, *args = line.split()
        try:
            if command == "create":
                client.create(args[0], int(args[1]))
            elif command == "produce":
                first, count, pace = map(int, args[2:])
                client.produce(args[0], args[1], range(first, first + count), pace / 1000)
            elif command == "consume":
                client.consume(args[0], int(args[1]))
            elif command == "member":
                leave = threading.Event()
                threading.Thread(target=lambda: (sys.stdin.readline(), leave.set()), daemon=True).start()
                client.member(args[0], args[1], args[2], leave)
            else:
                raise ValueError(f"command {command}")
            say("done")
        except Exception as e:  # whatever it is, the runner prints it
            say("failed", one_line(e))
