"""
What everything is compared with: Starlette's own way to answer a POST, and nothing behind it.

`python -m scripts.benchmark.bare PORT` serves it with uvicorn as it comes, on the same event loop
and HTTP parser as the API.
"""

import sys

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route


async def bare(_request: Request) -> JSONResponse:
    return JSONResponse(
        {
            "error": "authorization_pending",
            "error_description": "The end-user authorization is pending",
        }
    )


if __name__ == "__main__":
    uvicorn.run(
        Starlette(routes=[Route("/bare", bare, methods=["POST"])]),
        port=int(sys.argv[1]),
        http="httptools",
        loop="uvloop",
        lifespan="off",
        ws="none",
        access_log=False,
        log_level="warning",
    )
