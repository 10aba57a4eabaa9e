"""The root link of a registration (LwM2M 1.1 Core §6.2.1). Loaded when the client speaks a format
that a server does not expect of every client.
"""

from micropython import const

_TLV = const(11542)
# The formats of a single value have no place in the list.
_SINGLE = const(42)


def write_root(link, out, client, version):
    """Write the root link with the formats that a server may ask for in a `version` of LwM2M, if
    there are more than TLV.
    Allocates: the list as text."""
    formats = ""
    for codec in client.codecs:
        if codec.FORMAT > _SINGLE and codec.FORMAT != _TLV and codec.VERSION <= version:
            formats += "%d " % codec.FORMAT
    if formats:
        link.open(out)
        out.put('>;rt="oma.lwm2m";ct="%s%d"' % (formats, _TLV))
