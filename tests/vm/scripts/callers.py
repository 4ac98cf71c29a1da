# SPDX-License-Identifier: GPL-2.0-or-later
"""Twenty callers in three rounds, with methods of all kinds at drawn moments: callers.py SEED

Says as JSON what each call was answered, with the error's name or "", what JobFinished told, and the
services that there were, by their names on the bus. Runs in the emulated PC, beside tests/bus/wire.py.
"""

import json
import random
import sys
import threading
import time

import wire

NAME, PATH, MANAGER = "org.vfiomode1", "/org/vfiomode1", "org.vfiomode1.Manager"
BUS = "/run/dbus/system_bus_socket"
CALLS = [
    ("SwitchMode", "sa{sv}", "passthrough", {}), ("Describe", ""),
    ("SetNextBoot", "sa{sv}", "passthrough", {}), ("PlanSwitch", "s", "passthrough"),
    ("SetDefault", "sa{sv}", "passthrough", {}), ("CancelNextBoot", ""),
    ("SwitchMode", "sa{sv}", "host", {}), ("CheckMode", "s", "host"), ("Confirm", ""),
    ("Release", ""), ("BeginVM", "sas", "win", ["0000:00:1f.2"]), ("EndVM", "ss", "win", "stopped")]
rng = random.Random(int(sys.argv[1]))
delays = [[rng.uniform(0, 3) for _ in range(3)] for _ in range(20)]
said, told = [], []


def watch():
    watcher = wire.Connection(BUS)
    watcher.bus("AddMatch", "s", f"type='signal',member='NameOwnerChanged',arg0='{NAME}'")
    return watcher


def until_it_is_gone():
    """Each round finds the service idle, and gone: by itself, when the last switch has ended."""
    watcher = watch()
    while watcher.bus("NameHasOwner", "s", NAME)[0]:
        watcher.next_signal("NameOwnerChanged", 120)


together = threading.Barrier(20, action=until_it_is_gone, timeout=300)


def caller(number):
    connection = wire.Connection(BUS)
    for turn, delay in enumerate(delays[number]):
        together.wait()
        time.sleep(delay)
        member, signature, *body = CALLS[(4 * turn + number) % len(CALLS)]
        try:
            connection.call(NAME, PATH, MANAGER, member, signature, *body, timeout=120)
            said.append((member, ""))
        except Exception as error:  # noqa: BLE001
            said.append((member, getattr(error, "name", repr(error))))


services = watch()
listener = wire.Connection(BUS)
listener.bus("AddMatch", "s", f"type='signal',interface='{MANAGER}',member='JobFinished'")
threads = [threading.Thread(target=caller, args=(number,)) for number in range(20)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
while len(told) < said.count(("SwitchMode", "")):
    told.append(listener.next_signal("JobFinished", 60).body)
services.bus("GetId")  # what came before its answer is in the queue
owners = {message.body[2] for message in services.queue if message.member == "NameOwnerChanged"} - {""}
print(json.dumps([said, told, sorted(owners)]))
