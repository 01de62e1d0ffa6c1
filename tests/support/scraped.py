"""The values of `/metrics`."""

from collections.abc import Callable, Mapping

from flask.testing import FlaskClient
from prometheus_client.parser import text_string_to_metric_families


class Scraped:
    """One scrape."""

    def __init__(self, text: str) -> None:
        self.series: dict[tuple[str, frozenset[tuple[str, str]]], float] = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                key = (sample.name, frozenset(sample.labels.items()))
                assert key not in self.series, f"told twice: {key}"
                self.series[key] = sample.value

    def __call__(self, name: str, **labels: str) -> float:
        """Return the sum of all series of this name with at least these labels."""
        wanted = set(labels.items())
        return sum(value for (each, given), value in self.series.items() if each == name and wanted <= given)

    @property
    def names(self) -> set[str]:
        """The names of all series."""
        return {name for name, _ in self.series}

    @property
    def label_values(self) -> dict[str, set[str]]:
        """Every value of every label."""
        found: dict[str, set[str]] = {}
        for _, labels in self.series:
            for name, value in labels:
                found.setdefault(name, set()).add(value)
        return found


def grown(scrape: Callable[[], Scraped], name: str, label: str) -> Callable[[], Mapping[str, float]]:
    """Return a function that returns the growth of each of a counter's series since now, by one label."""
    before = scrape()

    def since() -> Mapping[str, float]:
        after = scrape()
        values = after.label_values.get(label, set())
        difference = {value: after(name, **{label: value}) - before(name, **{label: value}) for value in values}
        return {value: grew for value, grew in difference.items() if grew}

    return since


def scraped(client: FlaskClient, path: str = "/metrics") -> Scraped:
    """Return the app's answer to its scraper."""
    answer = client.get(path)
    assert answer.status_code == 200, answer.text
    assert answer.content_type == "text/plain; version=0.0.4; charset=utf-8"
    return Scraped(answer.text)
