"""python -m app serve | worker | migrate | doctor | backup | restore | reindex | prompts …"""

import argparse
import asyncio
import getpass
import sys
from collections.abc import Coroutine, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from app import main
from app.domains.accounts.model import Role
from app.domains.accounts.model.audit import AuditQuery
from app.ports.audit import Act, Door, Origin, coming_from
from app.ports.fitting import FitFailed
from app.shared.calling import as_called
from app.shared.errors import Invalid, LibraryError, Unavailable

# What these do comes from elsewhere: from requests, and from jobs.
_DOORS = {"serve": Door.JOB, "worker": Door.JOB}


def run(arguments: Sequence[str]) -> int:
    chosen = _parser().parse_args(arguments)
    try:
        with coming_from(Origin(_DOORS.get(chosen.command, Door.COMMAND_LINE))):
            asyncio.run(_command(chosen))
    except LibraryError as error:
        print(_in_words(error), file=sys.stderr)
        return 2 if isinstance(error, Invalid) else 1
    except FitFailed as error:
        print(f"The fit came to nothing: {error}", file=sys.stderr)
        return 1
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
    backup = commands.add_parser("backup", help="copy the library, which may be in use")
    backup.add_argument("folder", type=as_called, help="used again, only what is new is copied")
    restore = commands.add_parser("restore", help="make an empty library what a backup holds")
    restore.add_argument("folder", type=as_called)
    reindex = commands.add_parser("reindex", help="make the text of the books searchable anew")
    reindex.add_argument("--book", type=UUID, metavar="ID", help="this book only")
    scrub = commands.add_parser("scrub", help="check all stored files; broken off, it goes on")
    scrub.add_argument("--remove-orphans", action="store_true", help="what nothing refers to")
    scrub.add_argument(
        "--remove-strangers", action="store_true", help="what this database never heard of"
    )
    _add_prompts(commands.add_parser("prompts", help="what models are asked"))
    admin = commands.add_parser("admin", help="accounts, from the command line")
    deeds = admin.add_subparsers(dest="deed", required=True)
    create = deeds.add_parser("create", help="an admin; asks for the password")
    create.add_argument("email")
    create.add_argument("--password", help="instead of asking (others may see it)")
    grant = deeds.add_parser("grant", help="give somebody a role")
    grant.add_argument("email")
    grant.add_argument("role", choices=[role.value for role in Role])
    deeds.add_parser("fit", help="fit the recommender now and publish the model")
    audit = deeds.add_parser("audit", help="who did what that not everybody may do")
    audit.add_argument("--act", choices=[act.value for act in Act])
    audit.add_argument("--object", metavar="ID", help="of the user, book … it was done to")
    audit.add_argument("--actor", type=UUID, metavar="ID")
    audit.add_argument("--since", type=_moment, metavar="TIME", help="2026-05-01T12:00+02:00")
    audit.add_argument("--last", type=int, default=100, metavar="N", help="so many (100)")
    deeds.add_parser("recount", help="count all reviews anew and say where the sums were wrong")
    return parser


def _add_prompts(parser: argparse.ArgumentParser) -> None:
    deeds = parser.add_subparsers(dest="deed", required=True)
    deeds.add_parser("lint", help="are all files sound, and locked")
    render = deeds.add_parser("render", help="a prompt as a model sees it")
    render.add_argument("name")
    render.add_argument("--var", action="append", default=[], metavar="NAME=TEXT")
    render.add_argument("--sample", action="store_true", help="the samples for what is not given")
    diff = deeds.add_parser("diff", help="how a prompt differs from another state of its file")
    diff.add_argument("name")
    diff.add_argument("--against", type=_commit_or_file, default="HEAD", metavar="COMMIT-OR-FILE")
    diff.add_argument("--stored", action="store_true", help="count the stored answers too")


def _commit_or_file(text: str) -> str:
    return str(path) if (path := as_called(text)).is_file() else text


def _in_words(error: LibraryError) -> str:
    if error.detail.startswith(error.title):
        return error.detail
    return f"{error.title}:{chr(10) if chr(10) in error.detail else ' '}{error.detail}"


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError("a time is written 2026-05-01T12:00+02:00") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError("a port is a number from 0 to 65535")
    return int(text)


def _command(chosen: argparse.Namespace) -> Coroutine[Any, Any, None]:
    if chosen.command == "prompts":
        return _prompts(chosen)
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
    if chosen.command == "reindex":
        return _reindexed(chosen.book)
    if chosen.command == "scrub":
        return _scrubbed(chosen)
    if chosen.command in ("backup", "restore"):
        return _copied(chosen)
    return _admin(chosen)


async def _copied(chosen: argparse.Namespace) -> None:
    settings = main.configured()
    if chosen.command == "backup":
        await main.save(settings, chosen.folder)
    else:
        await main.bring_back(settings, chosen.folder)
    print(f"Done: {chosen.folder.resolve()}")


async def _scrubbed(chosen: argparse.Namespace) -> None:
    lines, sound = await main.scrub(
        main.configured(),
        _checked,
        orphans=chosen.remove_orphans,
        strangers=chosen.remove_strangers,
    )
    print("\n".join(lines))
    if not sound:
        raise Unavailable("Bring the damaged files back from a backup, then scrub again.")


async def _checked(done: int, planned: int) -> None:
    print(f"Checked {done:,} of {planned:,} files", flush=True)


async def _reindexed(book_id: UUID | None) -> None:
    books = passages = 0
    async for book, number in main.reindex(main.configured(), book_id):
        books, passages = books + 1, passages + number
        print(f"{book}: {number:,} passages ({passages:,} of {books:,} books)", flush=True)
    print("Done.")


async def _prompts(chosen: argparse.Namespace) -> None:
    if chosen.deed == "lint":
        print(main.lint_prompts())
    elif chosen.deed == "render":
        print(main.render_prompt(chosen.name, chosen.var, sample=chosen.sample), end="")
    else:
        print(main.compare_prompt(chosen.name, chosen.against))
        if chosen.stored:
            print(await main.count_answers(main.configured(), chosen.name))


async def _doctor() -> None:
    if not await main.examine(main.configured()):
        raise Unavailable("Something that is needed does not work.")


async def _admin(chosen: argparse.Namespace) -> None:
    settings = main.configured()
    if chosen.deed == "audit":
        query = AuditQuery(
            act=chosen.act, actor_id=chosen.actor, object_id=chosen.object, since=chosen.since
        )
        async for event in main.audit_events(settings, query, chosen.last):
            print(event)
        return
    if chosen.deed == "recount":
        wrong = await main.recount(settings)
        print("\n".join([f"{len(wrong)} books had wrong sums.", *map(str, wrong)]))
        return
    if chosen.deed == "fit":
        print(await main.fit(settings, _told))
        return
    if chosen.deed == "create":
        password = chosen.password or getpass.getpass("Password: ")
        user = await main.create_admin(settings, chosen.email, password)
    else:
        user = await main.grant(settings, chosen.email, Role(chosen.role))
    print(f"{user.email} is {user.role} now.")


async def _told(done: int, planned: int) -> None:
    print(f"Read {done:,} of {planned:,} books and readers", flush=True)


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
