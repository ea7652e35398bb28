"""The report over HTTP, for this machine only; needs the extra `renderer[serve]`."""

from renderer.serve.live import LiveReport
from renderer.serve.site import Site, make_app, make_site, serving

__all__ = ["LiveReport", "Site", "make_app", "make_site", "serving"]
