"""A client under asyncio, beside another task; an executed resource ends both."""

import asyncio

from common import client_from, load
from lwm2m.objects.base import Object
from lwm2m.objects.device import Device
from lwm2m.types import INT, E, R


class Work(Object):
    OID = 26244
    RESOURCES = (0, INT | R, "done", 1, E, "leave")
    done = 0

    def leave(self):
        self.client.deregister()


async def work(item):
    while True:
        item.done += 1
        await asyncio.sleep_ms(10)


async def main():
    client = client_from(load())
    client.add(Device(manufacturer="Acme"))
    item = client.add(Work())
    task = asyncio.create_task(work(item))
    await client.run()
    task.cancel()
    print("left")


asyncio.run(main())
