"""A pool file and its evaluations."""

from __future__ import annotations

from pathlib import Path

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from lightrouter.evaluator.announce import Announcer
from lightrouter.evaluator.run import Report, Settings, evaluate
from lightrouter.pool import statefile
from lightrouter.pool.choices import State
from lightrouter.pool.filestore import FileStore
from lightrouter.runtime.telemetry import names
from lightrouter.runtime.telemetry.instruments import STATE_CHANGES
from tests.unit.evaluator.fakes import FakeModels, pool_text, prompts

QUALITY = {"good": 0.85, "fair": 0.8, "weak": 0.15}
ITEMS = prompts(300)


class Evaluations:
    """A pool file, and what its evaluations say."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "pool.yaml"
        self.path.write_text(pool_text(*QUALITY))
        self.states = statefile.state_path(self.path)
        self.home = FileStore(self.path, patience_seconds=0.0)
        self.spans = InMemorySpanExporter()
        self.metrics = InMemoryMetricReader()
        traces = TracerProvider()
        traces.add_span_processor(SimpleSpanProcessor(self.spans))
        self.tracer = traces.get_tracer("test")
        self.announcer = Announcer(MeterProvider([self.metrics]).get_meter("test"))

    async def run(self, models: FakeModels, told: Settings) -> Report:
        return await evaluate(self.home, models, told, self.announcer, self.tracer)

    def held(self) -> dict[str, State | None]:
        return {name: status.state for name, status in statefile.load(self.states).items()}

    def counted(self) -> dict[tuple[str, str], int]:
        data = self.metrics.get_metrics_data()
        points = [
            point
            for resource in (data.resource_metrics if data else ())
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if metric.name == STATE_CHANGES.name
            for point in metric.data.data_points
        ]
        return {(p.attributes[names.CANDIDATE], p.attributes[names.STATE]): p.value for p in points}  # type: ignore[union-attr, index, misc]  # the SDK types neither
