"""Run a command in a container: its output, its errors, its exit status.

python examples/run.py [IMAGE]
"""

import sys

import boxship


def main(client: boxship.Client, image: str) -> None:
    result = client.containers.run(
        image, ["sh", "-c", "echo hello from $(hostname); echo oops >&2; exit 3"], hostname="box"
    )
    print("output:     ", result.output.decode().strip())
    print("errors:     ", result.errors.decode().strip())
    print("exit status:", result.exit_status)

    # Wishes: limits, environment, user, nothing writable, no network but loopback (the default).
    result = client.containers.run(
        image,
        ["sh", "-c", 'echo "$GREETING from user $(id -u)"'],
        env={"GREETING": "good morning"},
        user="1000:1000",
        memory=64 << 20,
        cpus=0.5,
        pids_limit=20,
        read_only=True,
    ).check()
    print("wishes:     ", result.output.decode().strip())


if __name__ == "__main__":
    with boxship.connect() as client:
        main(client, sys.argv[1] if len(sys.argv) > 1 else "docker.io/library/busybox:latest")
