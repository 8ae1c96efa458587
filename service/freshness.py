"""Which acts need somebody who signed in within the last ten minutes: the one list, for every package's pages."""

from types import MappingProxyType

from core.sessions import Acts

# (method, route) -> where to go on after signing in again; empty: where the act was begun.
ACTS: Acts = MappingProxyType(
    {
        # How the account is entered.
        ("GET", "/my/account/passkeys/new"): "",
        ("POST", "/my/account/passkeys"): "/my/account/passkeys/new",
        ("POST", "/my/account/passkeys/{passkey_id}/rename"): "/my/account",
        ("POST", "/my/account/passkeys/{passkey_id}/remove"): "/my/account",
        ("GET", "/my/account/password"): "",
        ("POST", "/my/account/password"): "/my/account/password",
        ("POST", "/my/account/password/remove"): "/my/account",
        ("POST", "/my/account/app/new"): "/my/account",
        ("POST", "/my/account/codes/new"): "/my/account",
        ("POST", "/my/account/name"): "/my/account",
        ("GET", "/my/account/card"): "",
        ("POST", "/my/account/card"): "/my/account/card",
        ("GET", "/my/account/card/pin"): "",
        ("POST", "/my/account/card/pin"): "/my/account/card/pin",
        ("POST", "/my/account/card/begin"): "/my/account",
        ("POST", "/my/account/card/remove"): "/my/account",
        ("POST", "/my/account/contact/new"): "/my/account/contact",
        ("POST", "/my/account/contact/{contact_id}/remove"): "/my/account/contact",
        ("POST", "/my/account/reentry"): "/my/account/contact",
        ("GET", "/my/account/pause"): "",
        ("POST", "/my/account/pause"): "/my/account/pause",
        ("GET", "/my/account/close"): "",
        ("POST", "/my/account/close"): "/my/account/close",
        # Who may act for the citizen.
        ("GET", "/my/mandates/new"): "",
        ("POST", "/my/mandates"): "/my/mandates/new",
        ("POST", "/my/mandates/{mandate_id}/accept"): "/my/mandates",
        # The whole history, to be taken away or for ever gone.
        ("GET", "/my/history.csv"): "/my/history",
        ("GET", "/my/history.json"): "/my/history",
        ("GET", "/my/history.html"): "/my/history",
        ("GET", "/my/history/bundle"): "/my/history",
        ("GET", "/my/history/check"): "",
        ("POST", "/my/history/erasure/{year}"): "/my/history/erasure",
        # Whether the citizen hears of looks at their data.
        ("POST", "/my/alerts"): "/my/alerts",
        # What makes a way into an account, or takes one away.
        ("GET", "/desk/letters"): "",
        ("POST", "/desk/letters"): "/desk/letters",
        ("POST", "/desk/letters/exempt"): "/desk/letters",
        ("POST", "/desk/letters/end"): "/desk/letters",
        ("POST", "/desk/letters/{visit_id}/print"): "",
        ("POST", "/desk/letters/{visit_id}/vouch"): "/desk/letters",
        ("POST", "/desk/letters/{visit_id}/open"): "/desk/letters",
        ("GET", "/desk/cards"): "",
        ("POST", "/desk/cards"): "/desk/cards",
        ("POST", "/desk/cards/{order_id}/print"): "",
        ("POST", "/desk/cards/{order_id}/vouch"): "/desk/cards",
        ("GET", "/desk/cards/block"): "",
        ("POST", "/desk/cards/block"): "/desk/cards/block",
        ("POST", "/admin/accounts"): "/admin/accounts",
        # What takes two people: each of them proves to be there.
        ("POST", "/admin/approvals/{approval_id}/agree"): "/admin/approvals",
        ("POST", "/admin/erasures"): "/admin/erasures",
        ("POST", "/admin/invalidate"): "/admin/invalidate",
        ("POST", "/admin/purposes/propose"): "/admin/purposes/propose",
        # Who works here, and the keys of everything.
        ("POST", "/admin/staff/invite"): "/admin/staff",
        ("POST", "/admin/staff/{member_id}/suspend"): "/admin/staff",
        ("POST", "/admin/keys/announce"): "/admin/keys",
        ("POST", "/admin/keys/rotate"): "/admin/keys",
        ("POST", "/admin/keys/epochs/begin"): "/admin/keys",
        ("POST", "/admin/keys/epochs/destroy"): "/admin/keys",
    }
)
