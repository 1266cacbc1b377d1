"""Runs the Java sources of ../agents/java, among them Kafka's own tools, on the jars of TROUPE_JAVA_LIBS."""

import os
import pathlib
import re
import subprocess

HERE = pathlib.Path(__file__).resolve().parent.parent / "agents" / "java"
TOOLS = "org.apache.kafka.tools."


def java(source, *args, **kwargs):
    libs = os.environ["TROUPE_JAVA_LIBS"]
    return subprocess.run(["java", "-XX:TieredStopAtLevel=1", "-Xmx256m", "-cp", f"{libs}/*", str(HERE / source), *args], capture_output=True, text=True, timeout=200, **kwargs)


def try_tools(*commands):
    """Runs Kafka's tools; the exit code of each and what it wrote."""
    result = java("Tools.java", input="".join("\n".join(c) + "\n\n" for c in commands))
    parts = re.split(r"^#### (\d+)\n", result.stdout, flags=re.MULTILINE)[1:]
    codes, texts = [int(code) for code in parts[0::2]], parts[1::2]
    assert len(codes) == len(commands), result.stdout + result.stderr
    return list(zip(codes, texts))


def tools(*commands):
    """Runs Kafka's tools; what each wrote. All must exit with 0."""
    results = try_tools(*commands)
    for command, (code, text) in zip(commands, results):
        assert code == 0, f"{' '.join(command)}: exit {code}\n{text}"
    return [text for _, text in results]


def start_tool(command):
    """Starts one tool as a process of its own, with a standard input; both outputs come as one."""
    libs = os.environ["TROUPE_JAVA_LIBS"]
    return subprocess.Popen(["java", "-XX:TieredStopAtLevel=1", "-Xmx256m", "-cp", f"{libs}/*", *command],
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
