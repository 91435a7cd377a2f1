"""
`python -m api.management.pkcs12_child`: opens one PKCS #12 file, in a process that may be lost.

A few bytes of such a file can ask for hours of hashing, which no reader can see beforehand, and
nothing stops a thread. Standard input is the file in base64, standard output JSON: what it holds,
or why it is of no use.
"""

import asyncio
import resource
import sys

import msgspec

from consent.management.push_credentials import Unusable, push_certificate
from consent.push_providers import ApnsCertificate

CPU_SECONDS_MAX = 2
_PATIENCE_SECONDS = 10.0
_one_at_a_time = asyncio.Semaphore(1)


class Refused(msgspec.Struct, frozen=True):
    reason: str


async def opened(text: str) -> ApnsCertificate:
    """What the file holds. Raises Unusable."""
    async with _one_at_a_time:
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            __name__,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                answer, _ = await child.communicate(text.encode())
        except TimeoutError:
            answer = b""
        finally:
            if child.returncode is None:
                child.kill()
                await child.wait()
    if not answer:
        raise Unusable("p12", "Takes too long to open")
    if answer.startswith(b'{"reason"'):
        raise Unusable("p12", msgspec.json.decode(answer, type=Refused).reason)
    return msgspec.json.decode(answer, type=ApnsCertificate)


def main() -> None:
    """The limit ends this process however the file keeps it busy, also when nobody waits."""
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS_MAX, CPU_SECONDS_MAX))
    answer: ApnsCertificate | Refused
    try:
        answer = push_certificate(sys.stdin.read())
    except Unusable as error:
        answer = Refused(error.reason)
    sys.stdout.buffer.write(msgspec.json.encode(answer))


if __name__ == "__main__":
    main()
