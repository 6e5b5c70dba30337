"""From a wired service to processes that listen."""

import asyncio
import gc
import shutil
import sys

import uvloop

from corral import __version__
from corral.app import SHARED_METRICS, build
from corral.http.server import Listener, SocketFile, open_tcp, open_unix, serve
from corral.http.workers import supervise
from corral.lifecycle.trace import trace
from corral.logs import lines
from corral.logs.writing import configure_logs, is_console
from corral.service.clock import system_clock
from corral.settings import Settings
from corral.tls import ServerTls


def run(settings: Settings) -> None:
    """Serve until a signal says stop, in as many processes as the settings say."""
    if settings.workers == 1:
        _run_one(settings, 0)
    else:
        shutil.rmtree(settings.data / SHARED_METRICS, ignore_errors=True)
        (settings.data / SHARED_METRICS).mkdir()
        supervise(settings.workers, lambda number: _run_one(settings, number))


def _run_one(settings: Settings, number: int) -> None:
    configure_logs(settings.log_format, settings.log_level, trace)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(settings, number))


async def _serve(settings: Settings, number: int) -> None:
    """One process; the first also has the admin socket."""
    async with build(settings) as corral:
        tls = ServerTls(settings, corral.authorities, system_clock) if settings.tls != "off" else None
        context = tls.context if tls is not None else None
        separate = bool(settings.admin_listen)
        app = corral.device_app if separate else corral.both_app
        shared = settings.workers > 1
        listeners = [Listener(app, open_tcp(each, shared=shared), context) for each in settings.listen]
        listeners += [
            Listener(corral.admin_app, open_tcp(each, shared=shared), context) for each in settings.admin_listen
        ]
        socket_file: SocketFile | None = None
        if number == 0:
            opened, socket_file = open_unix(settings.admin_socket)
            listeners.append(Listener(corral.admin_app, opened, local=True))
        addresses = [str(each.socket.getsockname()) for each in listeners]

        def started() -> None:
            # What start-up made stays for ever: taken out of the collector's sight, it costs no more rounds.
            gc.collect()
            gc.freeze()
            lines.started(version=__version__, listening=addresses, public_url=settings.public_url)
            if is_console(settings.log_format):
                print(f"Corral {__version__} serves {settings.public_url}; stop it with Ctrl-C.", file=sys.stderr)

        background = [asyncio.create_task(corral.worker.run())]
        if tls is not None:
            background.append(asyncio.create_task(tls.keep_fresh()))
        try:
            reload = tls.reload if tls is not None else _nothing
            await serve(listeners, started, reload, corral.services.feed.close)
        finally:
            for task in background:
                task.cancel()
            await asyncio.gather(*background, return_exceptions=True)
            await corral.worker.finish()
            if socket_file is not None:
                socket_file.remove()
            lines.stopped()


def _nothing() -> None:
    """SIGHUP where there is no TLS to read again."""
