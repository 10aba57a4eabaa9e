"""Reading LwM2M CBOR, content format 11544 (LwM2M 1.2 Core §7.4.7). Loaded with the first write.

A key is an id or an array of ids, a value is another map, until it is that of a resource; null
stands for no value.
"""

from micropython import const

from lwm2m.formats.cbor_reader import CborParser

_END = const(-2)


class Lwm2mCborReader(CborParser):
    def open(self, buf, start, end, path, depth):
        self.begin(buf, start, end)
        self.path = path
        self.depth = depth
        self.oid = self.rid = self.riid = -1
        self.iid = path[1] if depth > 1 else -1
        self.ids = [0, 0, 0, 0]
        # Of each map that is open: its state, and how many ids are known inside of it
        self.states = [self.enter(self.MAP)]
        self.known = [0]

    def next(self):
        while self.states and not self.error:
            state = self.states[-1] = self.step(self.states[-1])
            if state == _END:
                self.states.pop()
                self.known.pop()
                if not self.states and not self.error:
                    self.close()
                continue
            count = self._key(self.known[-1])
            if self.error or self.pos >= self.end:
                break
            first = self.buf[self.pos]
            if first >> 5 == self.MAP:
                state = self.enter(self.MAP)
                if count == 4:
                    break
                if state == 0 and count == 3:
                    return self._found(3, -2)  # a multiple resource without instances
                if state == 0 and count == 2:
                    self._found(2, -1)
                self.states.append(state)
                self.known.append(count)
                continue
            self.has_value = first != 0xF6
            self.mark = self.pos
            self.skip()
            if self.error or (count < 3 if self.has_value else self.depth):
                break
            return self._found(count, -1)
        else:
            return False
        self.error = True
        return False

    def _key(self, count):
        # Take a key below `count` known ids. Returns how many are known with it.
        major = self.head()
        n = 1
        if major == self.ARRAY:
            n = self.n
            if not 0 < n <= 4:
                self.fail()
            else:
                major = self.head()
        while not self.error:
            if major or self.n > 65535 or count == 4:
                self.fail()
                break
            if count < self.depth and self.n != self.path[count]:
                self.fail()
                break
            self.ids[count] = self.n
            count += 1
            n -= 1
            if not n:
                break
            major = self.head()
        return count

    def _found(self, count, riid):
        ids = self.ids
        if count < self.depth:
            return self.fail() > 0
        self.oid = ids[0]
        self.iid = ids[1] if count > 1 else -1
        self.rid = ids[2] if count > 2 else -1
        self.riid = ids[3] if count > 3 else riid
        return not self.error
