"""The page: `with_page` puts it on a server.

Its parts are told in `layout`, and what they do in the files named events.
"""

import asyncio

import gradio as gr
from fastapi import FastAPI

from frameweave.app.desk import Desk
from frameweave.app.options import AppOptions
from frameweave.app.page import look
from frameweave.app.page.adaptors import adaptor_choices, trained_by
from frameweave.app.page.clip_events import ClipEvents
from frameweave.app.page.edit_events import EditEvents
from frameweave.app.page.files import files_router
from frameweave.app.page.job_events import JobEvents
from frameweave.app.page.layout import laid_out
from frameweave.app.page.workplace import Workplace

_MEGABYTE = 10**6
_KEPT = (3600, 86400)
"""Every hour Gradio's own copies that are older than a day go; the uploads are ours by then."""


def page(desk: Desk, options: AppOptions) -> gr.Blocks:
    """The page of a desk."""
    with gr.Blocks(
        title="Frameweave", analytics_enabled=False, delete_cache=_KEPT, fill_width=True
    ) as blocks:
        parts = laid_out(options, desk.shown, desk.uploads, adaptor_choices(trained_by(desk.history())))
        place = Workplace(parts, desk, options)
        ClipEvents(place).bind()
        EditEvents(place).bind()
        JobEvents(place).bind(blocks)
    return blocks


def with_page(app: FastAPI, desk: Desk, options: AppOptions) -> FastAPI:
    """The server with the page at its root. Nothing of it is fetched from anywhere else."""
    app.include_router(files_router(desk))

    async def mounted() -> FastAPI:
        return gr.mount_gradio_app(
            app,
            page(desk, options),
            path="/",
            theme=look.theme(),
            css=look.css(),
            head=look.head(),
            show_error=False,
            max_file_size=options.upload_limit * _MEGABYTE,
            footer_links=[],
            ssr_mode=False,
            pwa=False,
            enable_monitoring=False,
            run_history=False,
        )

    return asyncio.run(mounted())  # without a loop that runs Gradio makes four and closes none
