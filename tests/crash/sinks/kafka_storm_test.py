"""Events on their way into Kafka, while the collector is killed and brokers are killed or restarted: a
read_committed consumer finds every event once, in order."""

import pathlib
import random
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import storm
import real
import rig

real.needs("kafka", "readers")

from confluent_kafka.admin import AdminClient, NewTopic  # noqa: E402
from outputs import FileOutput, KafkaOutput  # noqa: E402

PARTITIONS = 3
TOPIC = "events"


def leader(kafka):
    """The broker that leads a partition of the topic; the only one when nobody knows."""
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap, "log_level": 0})
    return max(admin.list_topics(TOPIC, timeout=storm.CATCH_UP_S).topics[TOPIC].partitions[0].leader, 1)


def outage(kafka, by_force):
    """A broker, the leader where there are several, goes, by force or in good order, and comes back."""
    gone = []

    def down():
        kafka.start()  # whoever the last outage took
        gone.append(leader(kafka))
        if by_force:
            kafka.kill(gone[0])
        else:
            kafka.stop(gone[0])

    return [down, lambda: kafka.begin(*gone)]


def main():
    args = rig.arguments(events=50000, kills=4, restarts=1, brokers=1)
    chance = random.Random(args.seed)
    with rig.Work() as work:
        kafka = real.Kafka(work.dir / "kafka", args.brokers)
        work.at_end(kafka.kill)
        kafka.start()
        copies = min(3, args.brokers)
        admin = AdminClient({"bootstrap.servers": kafka.bootstrap, "log_level": 0})
        for made in admin.create_topics([NewTopic(TOPIC, PARTITIONS, copies)]).values():
            made.result(storm.CATCH_UP_S)
        collector, devices = storm.parts(work, args.seed)
        outputs = [FileOutput(collector), KafkaOutput(kafka, topic=TOPIC)]
        collector.output_add(outputs[1])
        collector.start()
        troubles = [[lambda: collector.crash(chance)] for _ in range(args.kills)]
        troubles += [outage(kafka, by_force=number % 2 == 0) for number in range(args.restarts)]
        storm.run(collector, devices, chance, args.events, troubles)
        kafka.start()
        acked = storm.settle(collector, devices, outputs)
    print(f"{acked} events, {args.kills} kills, {args.restarts} restarts of {args.brokers} brokers, {devices.total}")


rig.run(main)
