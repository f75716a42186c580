"""The proxies are the core's Protocols: proved to the type checker, not imported by anybody."""

from boxship.core import containers, content, diff, events, images, introspection, leases, namespaces, snapshots, tasks
from boxship.proxies._sync import containers as containers_proxy
from boxship.proxies._sync import content as content_proxy
from boxship.proxies._sync import diff as diff_proxy
from boxship.proxies._sync import events as events_proxy
from boxship.proxies._sync import images as images_proxy
from boxship.proxies._sync import introspection as introspection_proxy
from boxship.proxies._sync import leases as leases_proxy
from boxship.proxies._sync import namespaces as namespaces_proxy
from boxship.proxies._sync import snapshots as snapshots_proxy
from boxship.proxies._sync import tasks as tasks_proxy
from boxship.proxies._sync import version as version_proxy

CONTAINERS: type[containers.Store] = containers_proxy.ContainersProxy
CONTENT: type[content.Store] = content_proxy.ContentProxy
DIFF: type[diff.Service] = diff_proxy.DiffProxy
EVENTS: type[events.Exchange] = events_proxy.EventsProxy
IMAGES: type[images.Store] = images_proxy.ImagesProxy
INTROSPECTION: type[introspection.Introspector] = introspection_proxy.IntrospectionProxy
LEASES: type[leases.Manager] = leases_proxy.LeasesProxy
NAMESPACES: type[namespaces.Store] = namespaces_proxy.NamespacesProxy
SNAPSHOTS: type[snapshots.Snapshotter] = snapshots_proxy.SnapshotsProxy
TASKS: type[tasks.Manager] = tasks_proxy.TasksProxy
VERSION: type[introspection.Versioner] = version_proxy.VersionProxy
