"""What arrives from outside: links, uploaded and dropped pictures, and other models."""

from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import gradio as gr
from PIL import Image

from diffdemo.errors import DiffdemoError, ExperimentError
from diffdemo.lab import fields
from diffdemo.lab.experiment import Experiment
from diffdemo.lab.fields import by_hash
from diffdemo.lab.prepare import check_levels, prepare, resolve
from diffdemo.page import dialling, files, links
from diffdemo.page.controls import opening_trip
from diffdemo.report.portraits import image_of, picture_of, portrait
from diffdemo.serving.addresses import linked_experiment
from diffdemo.widgets import picking
from diffdemo.widgets.events import AT_ONCE, Events, Options, Raw, safely, sent
from diffdemo.widgets.tab import Updates
from diffdemo.widgets.uploads import Upload

if TYPE_CHECKING:
    from diffdemo.page.exhibit import Exhibit


class Arrivals:
    """Handles what arrives: each handler returns what the controls show from then on.

    Args:
        exhibit: the page.
    """

    def __init__(self, exhibit: "Exhibit"):
        self.page = exhibit
        self.controls = exhibit.controls
        self.models = exhibit.models

    def wire(self, linked: Any) -> Events:
        """Connect the events; returns those after which the open tab runs.

        Args:
            linked: the event that runs the experiment of a link. Going back ends it, so that it
                does not take the next experiment for its own.
        """
        page = self.page
        controls = self.controls
        others = page.others
        outputs = self._outputs()
        page.demo.load(safely(self.arrive), page.tabs[0].sentence, outputs, **AT_ONCE)
        upload = [controls.switch, controls.portrait, controls.upload]
        drop = [controls.switch, controls.portrait]
        switch = [controls.switch, controls.n]
        loaded = others.wire(controls.switch)
        shown = [page.open, controls.portrait]
        latest: Options = {"trigger_mode": "always_last", **AT_ONCE}
        page.history.select(safely(self.back), shown, outputs, cancels=[linked], **latest)
        return [
            controls.upload.input(safely(self.take), upload, outputs, **AT_ONCE),
            page.files.select(safely(self.drop), drop, outputs, **AT_ONCE),
            controls.switch.input(safely(self.switch), switch, outputs, **AT_ONCE),
            loaded.success(safely(self.loaded), [*switch, page.wanted], outputs, **AT_ONCE),
        ]

    def _outputs(self) -> list[Any]:
        """All components that a handler may change."""
        page = self.page
        own = [widget for tab in page.tabs for widget in tab.own.values()]
        controls = [
            *self.controls.settings.values(),
            *self.controls.by_model,
            *page.second.strips,
            *own,
        ]
        state = [page.strip, page.open, page.pending, page.wanted, page.notice]
        others = [page.others.fold, page.others.name, page.others.card]
        return list(dict.fromkeys([*controls, *state, *others]))

    def arrive(self, sentence: object, request: gr.Request) -> Updates:
        """Open a visitor's link; say in one sentence why, where that is impossible.

        The notice then says that the page is as the address asks.
        """
        found = self._arrive(sentence, request)
        return {**found, self.page.notice: {**found[self.page.notice], "arrived": True}}

    def _arrive(self, sentence: object, request: gr.Request) -> Updates:
        begun = isinstance(sentence, dict) and bool(sentence.get("query"))
        page = self.page
        try:
            e = self._linked(dict(request.query_params))
            if e is None:
                return self._first_example(begun, "")
            if self.models.missing(e.model):
                shown = self._first_example(begun, links.needs_model(e.model))
                return {**shown, page.wanted: e, **page.others.offer(e.model)}
            return self.restored(e, opened=0)
        except DiffdemoError as error:
            return self._first_example(begun, links.broken_link(error))

    def _linked(self, parameters: dict[str, str]) -> Experiment | None:
        return linked_experiment(parameters, opening_trip(self.models))

    def _first_example(self, begun: bool, text: str) -> Updates:
        """Show the first example under a notice; it runs unless the page came with its result."""
        if begun:
            return {self.page.notice: links.notice(text)}
        trip = opening_trip(self.models)
        shown = self.restored(trip, opened=0)
        return {**shown, self.page.notice: links.notice(text, run=trip.kind)}

    def back(self, opened: Raw, shown: Raw, event: gr.EventData) -> Updates:
        """Show the run that the browser went back or forward to; `event.value` is its query.

        Raises:
            DiffdemoError: there is no such run here.
        """
        query = sent(event, "value")
        if not isinstance(query, str):
            raise ExperimentError("There is no such run to go back to.")
        asked = self._linked(dict(parse_qsl(query.removeprefix("?"))))
        e = asked or opening_trip(self.models)
        here = by_hash(e.picture) and picture_of(shown) == e.picture
        return self.restored(e, image_of(shown) if here else None, opened)

    def take(self, name: object, before: object, upload: Upload | None) -> Updates:
        """Take a visitor's picture, or the experiment that it brings."""
        page = self.page
        if upload is None:
            return {page.notice: links.notice("")}
        if upload.experiment:
            return self.restored(upload.experiment, upload.given)
        picked = picking.pick_upload(self.models, name, upload.picture)
        text = links.other_picture(before, picked)
        return {self.controls.portrait: picked, page.notice: links.notice(text)}

    def drop(self, name: object, before: object, event: gr.EventData) -> Updates:
        """Take a picture that was dropped on the page."""
        return self.take(name, before, files.dropped(event))

    def switch(self, name: object, dial: Raw) -> Updates:
        """Show another model: its examples, and controls that suit it."""
        model = self.models[name]
        page = self.page
        level = min(fields.N.accept(dialling.n_of(dial)), model.schedule.T)
        cleared: Updates = {}
        for tab in page.tabs:
            cleared |= tab.cleared()
        first = picking.portrait_of(model, picking.examples(model)[0])
        return {
            self.controls.portrait: first,
            **cleared,
            **self.controls.updates(model, level),
            **page.second.updates(model),
            page.notice: links.notice(""),
        }

    def loaded(self, name: object, dial: Raw, wanted: Raw) -> Updates:
        """Show a model that was loaded, or the link that wanted it."""
        if wanted and wanted.model == name:
            return self.restored(wanted)
        return self.switch(name, dial)

    def restored(
        self, e: Any, given: Image.Image | None = None, opened: int | None = None
    ) -> Updates:
        """Show an experiment: the controls describe it, its tab opens, and it runs next.

        Args:
            e: the experiment.
            given: its picture, where it is named by its hash only.
            opened: number of the tab that is open already, if known.

        Raises:
            DiffdemoError: it cannot be run here.
        """
        page = self.page
        model = self.models[e.model]
        here = given is not None or not by_hash(e.picture)
        if here:
            ready = prepare(e, model, given)
            picture = portrait(e.picture, model.fit_pixels(ready.original))
        else:
            check_levels(resolve(e, model), *e.levels_asked())
            picture = picking.linked_portrait(model, e.picture)
        tab = page.tab_of(e)
        number = page.tabs.index(tab)
        values = tab.values(e, model)
        # A tab that is opened again is built again.
        opening = {} if number == opened else {page.strip: gr.Tabs(selected=number)}
        return {
            **opening,
            **page.second.updates(model),
            **self.controls.restore(e, values.shared, model, picture),
            **tab.updates(values, model),
            page.open: number,
            page.pending: (e, given and model.fit_picture(given)) if here else None,
            page.wanted: None,
            page.notice: links.notice(links.remark(e, model, here), e.kind if here else ""),
        }
