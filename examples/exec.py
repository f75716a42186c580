"""Keep a container running, run other commands in it, read its log, and stop it.

python examples/exec.py [IMAGE]
"""

import sys

import boxship

SERVICE = "trap 'echo leaving; exit 0' TERM; echo serving; while true; do sleep 0.1; done"


def main(client: boxship.Client, image: str) -> None:
    container = client.containers.create(image, ["sh", "-c", SERVICE], labels={"example": "exec"})
    try:
        container.start()  # without streams it is detached: its output goes to its log
        print("running as", container.id, "with pid", container.status().pid)

        print("inside:", container.exec(["hostname"]).output.decode().strip())
        shouted = container.exec(["tr", "a-z", "A-Z"], stdin=b"through standard input\n")
        print("inside:", shouted.output.decode().strip())
        print("exit status of false:", container.exec(["false"]).exit_status)

        stats = container.stats()
        print(f"it uses {stats.memory} bytes and {stats.pids} processes")

        print("stopped with status", container.stop(timeout=5).status)
        print("its log:", b"".join(container.logs()).decode().split())
    finally:
        container.remove(force=True)


if __name__ == "__main__":
    with boxship.connect() as client:
        main(client, sys.argv[1] if len(sys.argv) > 1 else "docker.io/library/busybox:latest")
