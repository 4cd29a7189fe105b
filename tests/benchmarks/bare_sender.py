"""What `requests` alone can send: threads with a session each, round-robin over the URLs.

python -m tests.benchmarks.bare_sender THREADS EVENTS URL... < body
"""

import itertools
import json
import sys
import threading
import time
from collections.abc import Iterator

import requests

HEADERS = {  # as many and as long as a delivery has
    "Content-Type": "application/json",
    "User-Agent": "Genie-Webhooks/1",
    "X-Genie-Event": "job.completed",
    "X-Genie-Delivery": "0" * 36,
    "X-Genie-Signature": "sha256=" + "0" * 64,
    "webhook-id": "0" * 36,
    "webhook-timestamp": "0" * 10,
    "webhook-signature": "v1," + "0" * 44,
}


def send(urls: Iterator[str], body: bytes) -> None:
    """Post until there are no more URLs."""
    with requests.Session() as session:
        session.trust_env = False
        for url in urls:
            session.post(url, data=body, headers=HEADERS, timeout=10, allow_redirects=False)


def main() -> None:
    """Send, and write how long it took."""
    threads, events, urls = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
    body = sys.stdin.buffer.read()
    todo = [itertools.islice(itertools.cycle(urls), n, events, threads) for n in range(threads)]
    senders = [threading.Thread(target=send, args=(mine, body)) for mine in todo]
    began, spent = time.monotonic(), time.process_time()
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    said = {"seconds": time.monotonic() - began, "cpu_s": time.process_time() - spent}
    sys.stdout.write(json.dumps(said) + "\n")


if __name__ == "__main__":
    main()
