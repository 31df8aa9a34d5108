"""Whether a client may ask: the JSON Web Token that it signs for every call.

Its keys come from where `params.yaml` says, a file or an address of the allow-list. An address within a token
is compared with that one and never opened: whoever writes a token would choose the keys that it is checked with.
"""

from __future__ import annotations

import asyncio
import json
import logging
import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from features.errors import ParamsError
from pipeline.cds.settings import CdsSettings
from pipeline.service.logs import event, told
from pipeline.service.problems import FORBIDDEN, UNAUTHORISED, UNVERIFIED, ProblemError

ALGORITHMS = ("ES384", "RS384")
"""Those that CDS Hooks recommends; never none, never one with a shared secret."""
CLAIMS = ("iss", "aud", "exp", "iat", "jti")
SKEW_SECONDS = 30
"""By which the clocks of client and service may differ."""
LONGEST_NONCE = 256
LONGEST_TOKEN = 8000
KEYS_SECONDS = 3.0
"""In which the keys of a client must come from their address."""
SCHEME = "bearer "


class Trust:
    """The clients that are known, and the tokens that they have used.

    Used tokens are remembered until they expire, which is soon. Those issued before this service started are
    refused, since it cannot know whether they were used before.

    Raises
    ------
    ParamsError
        If the keys of a client cannot be read, or the library that checks signatures is not there.
    """

    def __init__(self, settings: CdsSettings, clock: Callable[[], float] = time.time) -> None:
        self._params, self._clock = settings.params, clock
        self._since = math.floor(clock())
        self._used: dict[tuple[str, str], float] = {}
        self._keys = {issuer: _keys_at(issuer, place) for issuer, place in settings.params.clients.items()}

    async def refuse_strangers(self, authorization: str, paths: Sequence[str]) -> None:
        """Let a request go on only with a good token for one of these paths of this service.

        Raises
        ------
        ProblemError
            401 for a token that is missing, forged, expired, for another audience or used before; 403 for a
            client that is not known; 503 where its keys cannot be had.
        """
        if not self._keys:
            return
        token = authorization[len(SCHEME) :] if authorization.lower().startswith(SCHEME) else ""
        if not token or len(token) > LONGEST_TOKEN:
            raise _refused("Sign each request: Authorization: Bearer and a JSON Web Token.")
        claims = await self._verified(token, [self._params.base_url + path for path in paths])
        self._refuse_used(claims)

    async def _verified(self, token: str, audiences: Sequence[str]) -> dict[str, Any]:
        """The claims of a token whose signature, issuer, audience and times are good."""
        import jwt

        try:
            head = jwt.get_unverified_header(token)
            unproved = jwt.decode(token, options={"verify_signature": False})
        except (jwt.InvalidTokenError, ValueError):
            raise _refused("This is no JSON Web Token.") from None
        issuer = unproved.get("iss")
        if not isinstance(issuer, str) or issuer not in self._keys:
            raise ProblemError(FORBIDDEN, "The issuer of the token (iss) is none that this service knows.")
        place = self._params.clients[issuer]
        if "jku" in head and _is_address(place) and head["jku"] != place:
            raise ProblemError(FORBIDDEN, "The address of keys in the token (jku) is not the one that is agreed.")
        if head.get("typ", "JWT") != "JWT" or head.get("alg") not in ALGORITHMS or not isinstance(head.get("kid"), str):
            raise _refused(f"The head of the token needs typ JWT, a kid, and alg {' or '.join(ALGORITHMS)}.")
        key = await self._key(issuer, head["kid"])
        options: Any = {"require": list(CLAIMS), "enforce_minimum_key_length": True}
        try:
            claims: dict[str, Any] = jwt.decode(
                token, key, [head["alg"]], options, audience=audiences, issuer=issuer, leeway=SKEW_SECONDS
            )
        except jwt.ExpiredSignatureError:
            raise _refused("The token has expired. Sign a new one for each request.") from None
        except jwt.InvalidAudienceError:
            raise _refused("The token is for another address (aud) than the one that was asked.") from None
        except jwt.MissingRequiredClaimError:
            raise _refused(f"The token needs the claims {', '.join(CLAIMS)}.") from None
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError):
            raise _refused("The signature or a time of the token is wrong.") from None
        return claims

    async def _key(self, issuer: str, kid: str) -> Any:
        import jwt

        try:
            key = await asyncio.to_thread(self._keys[issuer], kid)
        except (jwt.PyJWTError, OSError, ValueError) as error:
            event("the keys of a client cannot be had", logging.ERROR, **told(error))
            raise ProblemError(UNVERIFIED, "The keys of this client cannot be read at the moment.") from None
        if key is None:
            raise _refused("The client has no key of that name (kid).")
        return key.key

    def _refuse_used(self, claims: dict[str, Any]) -> None:
        """Note a token as used; one that was, lives too long or is older than this service is refused."""
        now, nonce = self._clock(), claims["jti"]
        expires, issued = float(claims["exp"]), float(claims["iat"])
        if not isinstance(nonce, str) or not 0 < len(nonce) <= LONGEST_NONCE:
            raise _refused(f"The name of the token (jti) must be text of at most {LONGEST_NONCE} characters.")
        if expires - issued > self._params.token_seconds:
            raise _refused(f"The token may live for {self._params.token_seconds:g} seconds at most.")
        if issued < self._since:
            raise _refused("The token was issued before this service started. Sign a new one.")
        self._used = {name: until for name, until in self._used.items() if until >= now}
        if (claims["iss"], nonce) in self._used:
            raise _refused("The token was used before. Sign a new one for each request.")
        self._used[claims["iss"], nonce] = expires + SKEW_SECONDS


def _refused(why: str) -> ProblemError:
    return ProblemError(UNAUTHORISED, why, headers={"WWW-Authenticate": "Bearer"})


def _is_address(place: str) -> bool:
    return place.startswith(("https://", "http://"))


def _keys_at(issuer: str, place: str) -> Callable[[str], Any]:
    """What finds a client's key by its name: in its file, read each time, or at its address, kept for minutes."""
    try:
        import jwt
    except ImportError:
        raise ParamsError(
            "params.yaml: cds_hooks.clients needs PyJWT. Install backcast with the extra cds, or take the clients out."
        ) from None
    if _is_address(place):
        client = jwt.PyJWKClient(place, timeout=KEYS_SECONDS)
        return lambda kid: _key_from(client, kid)
    file = Path(place)
    try:
        _key_in(file, "")
    except (OSError, jwt.PyJWTError, ValueError) as error:
        raise ParamsError(
            f"params.yaml: cds_hooks.clients.{issuer}: {file} holds no set of public keys ({type(error).__name__}). "
            f"Name a file with a JWK Set, or its https address."
        ) from None
    return lambda kid: _key_in(file, kid)


def _key_from(client: Any, kid: str) -> Any:
    from jwt.exceptions import PyJWKClientConnectionError, PyJWKClientError

    try:
        return client.get_signing_key(kid)
    except PyJWKClientConnectionError:
        raise
    except PyJWKClientError:
        return None


def _key_in(file: Path, kid: str) -> Any:
    import jwt

    content = json.loads(file.read_text(encoding="utf-8"))
    if not isinstance(content, dict):
        raise jwt.PyJWKSetError("no object")
    keys = jwt.PyJWKSet.from_dict(content).keys
    return next((key for key in keys if key.key_id == kid and key.public_key_use in (None, "sig")), None)
