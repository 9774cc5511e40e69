"""The collector is killed, or its connection cut, at each step of a transaction: before the broker has the
request, and after it, when nobody has heard the answer. A read_committed consumer finds every event once."""

import pathlib
import random
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import storm
import real
import rig

real.needs("kafka", "readers")

import steps  # noqa: E402
from kafka_proxy import ADD_PARTITIONS, END_TXN, FETCH, INIT_PRODUCER_ID, LIST_OFFSETS, PRODUCE, KafkaProxy  # noqa: E402
from outputs import FileOutput, KafkaOutput  # noqa: E402


def request(number, skip_most=0, at_start=False):
    return (lambda api: api == number), skip_most, at_start


REQUESTS = {"ListOffsets": request(LIST_OFFSETS, at_start=True), "Fetch": request(FETCH, at_start=True),
            "InitProducerId": request(INIT_PRODUCER_ID, at_start=True), "AddPartitions": request(ADD_PARTITIONS, 2),
            "Produce": request(PRODUCE, 4), "EndTxn": request(END_TXN, 3)}


def main():
    args = rig.arguments(rounds=1)
    chance = random.Random(args.seed)
    with rig.Work() as work:
        port = real.port_free()
        kafka = real.Kafka(work.dir / "kafka", settings={"advertised.listeners": f"PLAINTEXT://127.0.0.1:{port}"})
        work.at_end(kafka.kill)
        proxy = KafkaProxy(port, kafka.nodes[1][0])
        work.at_end(proxy.close)
        kafka.start()
        collector, devices = storm.parts(work, args.seed)
        output = KafkaOutput(kafka)
        collector.output_add(output)
        collector.start()
        devices.start(pace_ms=60)
        rig.eventually(lambda: collector.metric("sink_events_total", 'sink="stream"') > 0, "events in Kafka")
        strikes = steps.run(collector, proxy.armed, chance, REQUESTS, args.rounds)
        devices.finish()
        acked = storm.settle(collector, devices, [FileOutput(collector), output])
    print(f"{acked} events, {strikes} strikes, {devices.total}")


rig.run(main)
