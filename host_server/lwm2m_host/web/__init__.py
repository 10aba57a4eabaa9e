"""The control plane: HTTP on loopback, in the shape of Eclipse Leshan's demo server.

| request                                     | does                                              |
|---------------------------------------------|---------------------------------------------------|
| GET /api/clients[?limit=N&after=EP]         | registrations by endpoint, 1,000 by default       |
| GET /api/clients/EP                         | one registration                                  |
| GET /api/clients/EP/OID[/IID[/RID[/RIID]]]  | Read                                              |
| GET /api/clients/EP/[OID[/IID[/RID]]]/discover | Discover                                       |
| PUT /api/clients/EP/OID/IID[/RID[/RIID]]    | Write; the body is a value or a node              |
| PUT /api/clients/EP/OID[/...]/attributes    | Write-Attributes; they are in the query           |
| POST /api/clients/EP/OID                    | Create; the body is an instance                   |
| POST /api/clients/EP/OID/IID                | Write, partial update                             |
| POST /api/clients/EP/OID/IID/RID            | Execute; the body holds the arguments, as text    |
| DELETE /api/clients/EP/OID/IID              | Delete                                            |
| GET /api/clients/EP/composite?paths=P,P     | Read-Composite; a path that is not there is null  |
| PUT /api/clients/EP/composite               | Write-Composite; the body is {path: value}        |
| POST /api/clients/EP/OID[/...]/observe      | Observe; the answer has the first value           |
| POST /api/clients/EP/composite/observe?paths=P,P | Observe-Composite                            |
| DELETE the same                             | Cancel; ?active=0 leaves it to a RST              |
| GET /api/observations[?ep=EP]               | what is observed                                  |
| GET /api/history?ep=EP&path=P[&since=&until=&limit=] | what was reported; times in seconds      |
| GET /api/objectspecs/EP                     | definitions of the objects that the device has    |
| GET /api/events[?ep=EP] (also /api/event)   | server-sent events                                |

Reads and writes take `?format=` (name or number), everything takes `?timeout=` (seconds). What the
definitions do not allow is refused here; `?force=1` sends it all the same.
Where there are more clients than an answer has, its header Link has the URL of the next ones.
There is no password: it listens on loopback, and refuses other Host and Origin headers.
"""

from .plane import ControlPlane

__all__ = ["ControlPlane"]
