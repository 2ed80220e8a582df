"""How many examples of a law are drawn: a quarter in an ordinary run, all with `thorough`.

`--hypothesis-profile thorough` draws all of them; `.ci/run` does so.
"""

from hypothesis import HealthCheck, settings

__all__ = ["ORDINARY", "THOROUGH", "examples", "register"]

ORDINARY = "ordinary"
THOROUGH = "thorough"
_WHOLE = 100


def register() -> None:
    """Make both profiles known, and load the ordinary one."""
    # A busy machine must fail no test; how many examples a test takes says how long it may be.
    common = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.register_profile(THOROUGH, common, max_examples=_WHOLE)
    settings.register_profile(ORDINARY, common, max_examples=_WHOLE // 4)
    settings.load_profile(ORDINARY)


def examples(count: int) -> settings:
    """Return settings for a law of so many examples, of which an ordinary run draws a quarter.

    Args:
        count: examples of a thorough run; a law that asks for nothing has 100.
    """
    return settings(max_examples=count * settings().max_examples // _WHOLE)
