"""python -m app serve | worker | migrate | doctor | admin …"""

import argparse
import asyncio
import getpass
import sys
from collections.abc import Coroutine, Sequence
from typing import Any

from app import main
from app.domains.accounts.model import Role
from app.shared.errors import Invalid, LibraryError, Unavailable


def run(arguments: Sequence[str]) -> int:
    chosen = _parser().parse_args(arguments)
    try:
        asyncio.run(_command(chosen))
    except LibraryError as error:
        print(_in_words(error), file=sys.stderr)
        return 2 if isinstance(error, Invalid) else 1
    except KeyboardInterrupt:
        return 130
    except OSError as error:
        print(f"That did not work: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="lumina", description="A library that has read its books."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    serve = commands.add_parser("serve", help="the HTTP server, with the worker inside")
    serve.add_argument("--host")
    serve.add_argument("--port", type=_port)
    commands.add_parser("worker", help="run jobs, beside any number of servers")
    commands.add_parser("migrate", help="bring the database to the newest schema")
    commands.add_parser("doctor", help="check every part and say what to do")
    admin = commands.add_parser("admin", help="accounts, from the command line")
    deeds = admin.add_subparsers(dest="deed", required=True)
    create = deeds.add_parser("create", help="an admin; asks for the password")
    create.add_argument("email")
    create.add_argument("--password", help="instead of asking (others may see it)")
    grant = deeds.add_parser("grant", help="give somebody a role")
    grant.add_argument("email")
    grant.add_argument("role", choices=[role.value for role in Role])
    return parser


def _in_words(error: LibraryError) -> str:
    if error.detail.startswith(error.title):
        return error.detail
    return f"{error.title}:{chr(10) if chr(10) in error.detail else ' '}{error.detail}"


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError("a port is a number from 0 to 65535")
    return int(text)


def _command(chosen: argparse.Namespace) -> Coroutine[Any, Any, None]:
    settings = main.configured(
        host=getattr(chosen, "host", None), port=getattr(chosen, "port", None)
    )
    if chosen.command == "serve":
        return main.serve(settings)
    if chosen.command == "worker":
        return main.work(settings)
    if chosen.command == "migrate":
        return main.migrate_database(settings)
    if chosen.command == "doctor":
        return _doctor()
    return _admin(chosen)


async def _doctor() -> None:
    if not await main.examine(main.configured()):
        raise Unavailable("Something that is needed does not work.")


async def _admin(chosen: argparse.Namespace) -> None:
    settings = main.configured()
    if chosen.deed == "create":
        password = chosen.password or getpass.getpass("Password: ")
        user = await main.create_admin(settings, chosen.email, password)
    else:
        user = await main.grant(settings, chosen.email, Role(chosen.role))
    print(f"{user.email} is {user.role} now.")


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
