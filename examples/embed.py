"""No daemon at all: the engine runs inside this program, and everything goes when it ends.

python examples/embed.py IMAGE
"""

import sys

import boxship


def main(image: str) -> None:
    with boxship.embed() as client:  # embed("/var/lib/mine") keeps images for the next time
        print("engine in", client.address)
        client.images.pull(image)
        print(client.containers.run(image, ["echo", "no daemon needed"]).output.decode().strip())


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "docker.io/library/busybox:latest")
