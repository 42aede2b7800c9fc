"""Single links of the element face on different elements, with their history, beside the peer, which keeps none."""

from figures import Figure, show
from load import Load, http
from lookups import interleaved
from stage import ELEMENTS, ROOT, Stage, stage

CONNECTIONS = 16
OURS = '{"externalElement":{"externalId":"NEW"}}'
PEERS = '{"entityType":"element","entityId":"ID","integration":"peer","externalId":"NEW"}'


def measure(on: Stage) -> list[Figure]:
    """Run all measurements of this file."""
    ids = ROOT / "element-ids"
    ids.write_text("\n".join(str(n) for n in range(1, ELEMENTS + 1)) + "\n")
    ours = Load("/api/v2/elements/ID/external-element/link", on.key, OURS, ids)
    peers = Load("/mappings/link", on.key, PEERS, ids)
    found = interleaved(
        {
            "ours": lambda: http(on, on.tieline, ours, CONNECTIONS),
            "peer": lambda: http(on, on.peer, peers, CONNECTIONS),
        }
    )
    ours_found, peer = found["ours"], found["peer"]
    work = f"link, {CONNECTIONS} connections"
    return [
        Figure(
            work,
            f"{ours_found.rate:,.0f}/s",
            f"ORM service {peer.rate:,.0f}/s",
            ours_found.rate / peer.rate,
            ">= 5",
        ),
        Figure(work, f"p50 {ours_found.p50_ms:.1f} ms", f"p99 {ours_found.p99_ms:.1f} ms"),
        Figure(
            f"{work}, CPU time each",
            f"{ours_found.server_us:.0f} + {ours_found.postgres_us:.0f} µs",
            f"ORM service {peer.server_us:.0f} + {peer.postgres_us:.0f} µs",
        ),
    ]


if __name__ == "__main__":
    with stage() as on:
        show(measure(on))
