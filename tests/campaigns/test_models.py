"""Some failing answers of each server, and some orders in each flow."""

from benchmarks.campaigns import models
from benchmarks.campaigns._campaign import Plan


async def test_models_may_fail_and_obey_anybody_and_nothing_comes_of_it(server_url: str) -> None:
    tallies = await models.run(Plan(seed=7, scale=0.02), server_url)
    assert [fault for tally in tallies for fault in tally.failures] == []
    assert all(tally.has_passed for tally in tallies)
    assert not tallies[0].figures["faults"].startswith("0%")
