"""Send a saved failure again: python send_again.py FILE [HOST:PORT]. Needs nothing but Python."""

import json
import socket
import sys
import time
from urllib.parse import urlsplit

with open(sys.argv[1], encoding="utf-8") as file:
    story = json.load(file)
print(story["case"], story["outcome"], story["detail"])
sockets: dict[int, socket.socket] = {}
for step in story["steps"]:
    on, do, data = step["on"], step["do"], bytes.fromhex(step.get("bytes", ""))
    time.sleep(step["after"])
    if do == "connect":
        told, url = sys.argv[2:], urlsplit(story["connections"][str(on)]["url"])
        there = urlsplit(f"tcp://{told[0]}") if told else url
        if url.scheme == "udp":
            sockets[on] = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            sockets[on].connect((there.hostname, there.port))
            continue
        sockets[on] = socket.create_connection((there.hostname, there.port or 80), 5)
        sockets[on].setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    elif do == "send":
        sockets[on].send(data) if sockets[on].type == socket.SOCK_DGRAM else sockets[on].sendall(data)
    elif do in {"expect", "silent"} and sockets[on].type == socket.SOCK_DGRAM:
        sockets[on].settimeout(step.get("seconds", 2))
        try:
            print(do, data[:80], "-> seen", sockets[on].recv(65536)[:80])
        except OSError as problem:
            print(do, data[:80], "-> seen nothing:", problem)
    elif do == "finish":
        sockets[on].shutdown(socket.SHUT_WR)
    elif do in {"reset", "close"}:
        sockets[on].close()
    elif do == "compare":
        for number in (on, step["with"]):
            sockets[number].settimeout(2)
            came = [b"sent"]
            try:
                while came[-1]:
                    came.append(sockets[number].recv(65536))
            except OSError as problem:
                print(number, problem)
            print(number, "-> seen", b"".join(came[1:]))
    elif do in {"expect", "silent", "ending"}:
        sockets[on].settimeout(step.get("seconds", 2))
        seen, note = b"", "enough"
        try:
            while note == "enough" and len(seen) < max(1, len(data)):
                seen += (more := sockets[on].recv(max(1, len(data) - len(seen))))
                note = "enough" if more else "FIN"
        except OSError as problem:
            note = str(problem)
        print(do, data[:80], "-> seen", seen[:80], note)
