"""Some stories of readers, in which the library never says anything but the model does."""

from benchmarks.campaigns import state_machine
from benchmarks.campaigns._campaign import Plan


async def test_the_library_never_says_anything_but_the_model(server_url: str) -> None:
    tallies = await state_machine.run(Plan(seed=1, scale=0.0015), server_url)
    assert [fault for tally in tallies for fault in tally.failures] == []
    assert all(tally.has_passed for tally in tallies)
    told = {"200", "201", "202", "204", "not_borrowed", "already_borrowed", "invalid_token"}
    assert told <= {answer.split()[0] for answer in tallies[0].figures["answers"].split(", ")}
