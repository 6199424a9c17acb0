"""How the page looks: colours, fonts of the machine that shows it, styles and scripts."""

from pathlib import Path

import gradio as gr

_STATIC = Path(__file__).parent / "static"
_FONT = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif")
_MONO = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace")


def theme() -> gr.themes.Base:
    """Grey with one blue; text has a contrast of at least 4.5 in both modes."""
    made = gr.themes.Default(
        primary_hue=gr.themes.colors.blue,
        secondary_hue=gr.themes.colors.blue,
        neutral_hue=gr.themes.colors.slate,
        font=_FONT,
        font_mono=_MONO,
        radius_size=gr.themes.sizes.radius_md,
        spacing_size=gr.themes.sizes.spacing_md,
        text_size=gr.themes.sizes.text_md,
    )
    return made.set(
        body_background_fill="*neutral_50",
        body_background_fill_dark="*neutral_950",
        body_text_color_subdued="*neutral_600",
        body_text_color_subdued_dark="*neutral_300",
        block_info_text_color="*neutral_600",
        block_info_text_color_dark="*neutral_300",
        block_title_text_color="*neutral_700",
        block_title_text_color_dark="*neutral_200",
        block_label_text_color="*neutral_700",
        block_label_text_color_dark="*neutral_200",
        input_placeholder_color="*neutral_500",
        input_placeholder_color_dark="*neutral_400",
        button_primary_background_fill="*primary_700",
        button_primary_background_fill_hover="*primary_800",
        button_primary_background_fill_dark="*primary_700",
        button_primary_background_fill_hover_dark="*primary_600",
        button_primary_text_color="white",
        block_shadow="none",
        button_primary_shadow="none",
        button_secondary_shadow="none",
    )


def css() -> str:
    return (_STATIC / "page.css").read_text(encoding="utf-8")


def head() -> str:
    """The page's own scripts."""
    scripts = [
        (_STATIC / name).read_text(encoding="utf-8")
        for name in ("problem.js", "wait.js", "wipe.js", "mask.js")
    ]
    return "".join(f"<script>{one}</script>" for one in scripts)
