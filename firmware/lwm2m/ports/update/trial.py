"""An update on trial: until what runs has proved itself by reaching its server. Loaded with the
first registration that lwm2m.supervisor sees.

For a program that does not update itself but may be an update, such as main.py: it does not load
the rest of the update slots.
"""

import sys


def mark_valid():
    """An update on trial stays. Nothing happens where there is none.

    Raises OSError when it cannot be written down.
    """
    if "/slot" in sys.path:
        from lwm2m.ports.update.file import FileSlots

        FileSlots().mark_valid()
    elif sys.platform == "esp32":
        from esp32 import Partition

        try:
            Partition.mark_app_valid_cancel_rollback()
        except OSError:
            pass  # built without roll-back (-261), or no partitions for updates
