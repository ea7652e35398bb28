"""`python -m docs.reference`: write the generated pages of the reference into docs/pages/reference."""

from __future__ import annotations

from docs.reference.pages import FOLDER, PAGES

if __name__ == "__main__":
    for name, page in PAGES.items():
        (FOLDER / name).write_text(page(), encoding="utf-8")
        print(FOLDER / name)
