"""The paths of composite reads whose answers take several blocks: a peer may ask for the further
blocks of a FETCH without its payload (RFC 7959 §3.3). Loaded with the first such answer.
"""

from micropython import const

# How many reads are remembered, of all peers together. Each takes as much as its paths, which are
# no more than `body_limit` bytes of a request name.
_REMEMBERED = const(4)

# (peer, content format of the answer, paths), the newest last
reads = []


def remember(peer, format, paths):
    """Keep the `paths` of an answer to `peer`: its former ones in this format are forgotten."""
    for i in range(len(reads)):
        if reads[i][0] is peer and reads[i][1] == format:
            reads.pop(i)
            break
    reads.append((peer, format, paths))
    if len(reads) > _REMEMBERED:
        reads.pop(0)


def forget(peer):
    """Forget the reads of a `peer` that is no more."""
    for i in range(len(reads) - 1, -1, -1):
        if reads[i][0] is peer:
            reads.pop(i)


def recall(peer, format):
    """(peer, format, paths) of the newest read of `peer` in this format, -1 for any; else None."""
    for i in range(len(reads) - 1, -1, -1):
        read = reads[i]
        if read[0] is peer and (format < 0 or format == read[1]):
            return read
    return None
