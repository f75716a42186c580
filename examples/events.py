"""Watch what happens in a daemon while a container runs.

python examples/events.py [IMAGE]
"""

import sys
import threading
from collections.abc import Iterable

import boxship
from boxship.core import events as core
from boxship.wire import events


def watch(subscription: Iterable[core.Envelope], until: str) -> None:
    for envelope in subscription:
        told = events.decode(envelope.event)
        print(f"  {envelope.topic:24} {dict(told.fields) if told else ''}")
        if envelope.topic == until:
            return


def main(client: boxship.Client, image: str) -> None:
    client.images.pull(image)
    # Filters are containerd's; without any, events of all namespaces come.
    with client.events([f'namespace=={client.namespace_name},topic~="^/(tasks|containers)/"']) as subscription:
        watcher = threading.Thread(target=watch, args=(subscription, "/containers/delete"))
        watcher.start()
        client.containers.run(image, ["sh", "-c", "exit 7"])
        watcher.join(timeout=30)


if __name__ == "__main__":
    with boxship.connect() as client:
        main(client, sys.argv[1] if len(sys.argv) > 1 else "docker.io/library/busybox:latest")
