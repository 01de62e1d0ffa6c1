"""The yardstick: the least that Flask can do with a JSON body, served by the same gunicorn as the service."""

from flask import Flask, Response, jsonify, request

app = Flask(__name__)


@app.post("/echo")
def echo() -> Response:
    """Read a JSON object, answer with it."""
    return jsonify(request.get_json())
