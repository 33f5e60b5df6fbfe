"""Codes by e-mail, where the hub has SMTP settings: OVERNIGHT_SMTP_HOST, _PORT, _USER, _PASSWORD, _FROM, _TLS."""

import os
import smtplib
from collections.abc import Callable, Mapping
from email.message import EmailMessage

from engine.swarm.api import SwarmError

TIMEOUT_S = 10.0


def sender(environment: Mapping[str, str] = os.environ) -> Callable[[str, str], None] | None:
    """What sends codes, or None without settings. `_TLS`: "starttls" (default), "tls" or "off" (loopback only).

    Errors: SwarmError("mail") for settings that cannot be.
    """
    host = environment.get("OVERNIGHT_SMTP_HOST", "")
    if not host:
        return None
    tls = environment.get("OVERNIGHT_SMTP_TLS", "starttls")
    written = environment.get("OVERNIGHT_SMTP_PORT", {"tls": "465", "starttls": "587"}.get(tls, "25"))
    if tls not in ("starttls", "tls", "off") or not written.isdigit():
        raise SwarmError("OVERNIGHT_SMTP_TLS is starttls, tls or off, and OVERNIGHT_SMTP_PORT a number", "mail")
    if tls == "off" and host not in ("localhost", "127.0.0.1", "::1"):
        raise SwarmError("OVERNIGHT_SMTP_TLS=off is for a mail server on this machine", "mail")
    user, password = environment.get("OVERNIGHT_SMTP_USER", ""), environment.get("OVERNIGHT_SMTP_PASSWORD", "")
    origin = environment.get("OVERNIGHT_SMTP_FROM", "") or f"overnight@{host}"

    def send(address: str, code: str) -> None:
        message = EmailMessage()
        message["From"], message["To"], message["Subject"] = origin, address, "your code for an overnight swarm"
        message.set_content(f"Your code: {code}\n\nIt ends in 15 minutes. If you did not ask for it, do nothing.\n")
        try:
            kind = smtplib.SMTP_SSL if tls == "tls" else smtplib.SMTP
            with kind(host, int(written), timeout=TIMEOUT_S) as server:
                if tls == "starttls":
                    server.starttls()
                if user:
                    server.login(user, password)
                server.send_message(message)
        except (OSError, smtplib.SMTPException) as error:
            raise SwarmError(f"the code could not be sent: {type(error).__name__}; try again later", "mail") from error

    return send
