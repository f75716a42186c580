"""io.containerd.event.v1.exchange"""

from boxship.core import events, kinds
from boxship.plugins.events import exchange
from boxship.wire import events as wire
from boxship.wiring import parts


def _make(_config: None, _needs: parts.Needs) -> events.Exchange:
    return exchange.Exchange(encode=wire.encode, fields=wire.fields)


REGISTRATION = parts.Registration(kind=kinds.EVENTS, name="exchange", make=_make)
