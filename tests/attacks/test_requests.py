"""Attempts with requests that were answered already, and with words that the figures count."""

from fastapi import FastAPI
from starlette.testclient import TestClient

from tests.idp.oidc.provider import PORTAL, Provider, answered, request


def test_attempt_to_go_on_with_a_pushed_request_after_a_no(provider: Provider) -> None:
    """A citizen's no answers a pushed request as a code does: who has its request_uri cannot ask again with it."""
    provider.sign_in()
    uri = provider.post("/par", **request(scope="openid profile")).json()["request_uri"]
    wish = {"client_id": PORTAL, "request_uri": uri}
    at = provider.web.get("/authorize", params=wish).headers["location"]
    declined = provider.send(provider.web.get(at), decision="deny")
    assert answered(provider.web.get(declined.headers["location"]))["error"] == "access_denied"
    again = provider.web.get("/authorize", params=wish)
    assert again.status_code == 400
    assert "location" not in again.headers


def test_attempt_to_grow_the_figures(app: FastAPI, client: TestClient) -> None:
    """Made-up methods and paths are counted together: nobody adds a label to the figures from outside."""
    for number in range(5):
        client.request(f"M{number}", f"/nowhere-{number}")
        client.get(f"/register/made-up-{number}")
    figures = app.state.metrics.text().decode()
    assert "nowhere-" not in figures
    assert "made-up-" not in figures
    assert 'method="M' not in figures
    assert 'erti_http_answers_total{method="other"' in figures
