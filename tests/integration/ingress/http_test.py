"""HTTP as the collector speaks it: every way to ask properly, and every way not to."""

import rig
from rig import OK, REFUSED, TOO_LARGE, batch, request


def chunked(body, sizes):
    out, at = b"", 0
    for n in sizes:
        out += b"%x\r\n%s\r\n" % (len(body[at : at + n]), body[at : at + n])
        at += n
    return out + b"0\r\n\r\n"


class Good(rig.RigTest):
    def test_post_then_ack_with_the_collectors_clock(self):
        answer = self.client().post(batch(5))
        self.assertEqual((answer.status, answer.ack.status, answer.ack.agreed_through), (200, OK, 5))
        self.assertEqual(answer.ack.collector, "rig")
        self.assertGreater(answer.ack.received_us, 0)
        self.assertGreaterEqual(answer.ack.sent_us, answer.ack.received_us)
        self.assertLess(answer.ack.sent_us - answer.ack.received_us, 10_000_000)
        self.assertIn("date", answer.headers)


if __name__ == "__main__":
    rig.main()
