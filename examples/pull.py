"""Pull an image, watching how far it is, and look at what came.

python examples/pull.py [IMAGE]
"""

import sys

import boxship


def main(client: boxship.Client, image: str) -> None:
    def report(state: boxship.Progress) -> None:
        if state.state.value == "downloading":
            print(f"  {state.name[7:19]}  {state.done:>10} of {state.total} bytes")
        else:
            print(f"  {state.name.removeprefix('sha256:')[:40]}  {state.state.value}")

    pulled = client.images.pull(image, progress=report)
    config = client.images.config(pulled.name)
    print(f"{pulled.name} is {pulled.target.digest}")
    print(
        f"for {config.platform}, {client.images.size(pulled.name)} bytes; it would run {list(config.entrypoint + config.cmd)}"
    )


if __name__ == "__main__":
    with boxship.connect() as client:
        main(client, sys.argv[1] if len(sys.argv) > 1 else "docker.io/library/busybox:latest")
