import java.io.*;
import java.time.Duration;
import java.util.*;
import java.util.concurrent.*;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.*;
import org.apache.kafka.common.utils.AppInfoParser;

/** The glue between the interop matrix and the Java clients: Agent HOST:PORT. Commands and answers are those of ../README.md. */
public class Agent {
    static String bootstrap;
    static final BufferedReader in = new BufferedReader(new InputStreamReader(System.in));

    static synchronized void say(String format, Object... args) {
        System.out.println(String.format(format, args).replace('\n', ' '));
        System.out.flush();
    }

    public static void main(String[] args) throws Exception {
        bootstrap = args[0];
        say("version %s", AppInfoParser.getVersion());
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            String[] w = line.trim().split(" ");
            try {
                switch (w[0]) {
                    case "create" -> create(w[1], Integer.parseInt(w[2]));
                    case "produce" -> produce(w[1], w[2], Integer.parseInt(w[3]), Integer.parseInt(w[4]), Integer.parseInt(w[5]));
                    case "consume" -> consume(w[1], Integer.parseInt(w[2]));
                    case "member" -> member(w[1], w[2], w[3]);
                    default -> throw new IllegalArgumentException("command " + w[0]);
                }
                say("done");
            } catch (Exception e) {
                say("failed %s", e);
            }
        }
    }

    static void create(String topic, int partitions) throws Exception {
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", bootstrap))) {
            admin.createTopics(List.of(new NewTopic(topic, partitions, (short) 1))).all().get();
        }
    }

    static void produce(String topic, String codec, int first, int count, int pace) throws Exception {
        CountDownLatch all = new CountDownLatch(count);
        try (KafkaProducer<String, String> producer = new KafkaProducer<>(Map.of("bootstrap.servers", bootstrap, "compression.type", codec),
                new StringSerializer(), new StringSerializer())) {
            for (int i = first; i < first + count; i++) {
                int n = i;
                producer.send(new ProducerRecord<>(topic, "key-" + n, "value-" + n + "-" + "x".repeat(100)), (made, error) -> {
                    if (error == null) say("acked %d %d %d", n, made.partition(), made.offset());
                    else say("unacked %d %s", n, error);
                    all.countDown();
                });
                if (pace > 0) Thread.sleep(pace);
            }
            all.await();
        }
    }

    static void show(ConsumerRecord<String, String> r) {
        say("record %d %d %s %s", r.partition(), r.offset(), r.key(), r.value());
    }

    static void consume(String topic, int count) {
        try (KafkaConsumer<String, String> consumer = new KafkaConsumer<>(Map.of("bootstrap.servers", bootstrap, "enable.auto.commit", "false"),
                new StringDeserializer(), new StringDeserializer())) {
            List<TopicPartition> all = consumer.partitionsFor(topic).stream().map(p -> new TopicPartition(topic, p.partition())).toList();
            consumer.assign(all);
            consumer.seekToBeginning(all);
            for (int got = 0; got < count; )
                for (ConsumerRecord<String, String> r : consumer.poll(Duration.ofSeconds(1))) {
                    show(r);
                    got++;
                }
        }
    }

    static void member(String group, String topic, String protocol) {
        CompletableFuture<Void> leave = CompletableFuture.runAsync(() -> {
            try {
                in.readLine();
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        });
        Map<String, Object> config = new HashMap<>(Map.of("bootstrap.servers", bootstrap, "group.id", group, "enable.auto.commit", "false",
                "auto.offset.reset", "earliest", "group.protocol", protocol));
        if (protocol.equals("classic")) config.putAll(Map.of("session.timeout.ms", "6000", "heartbeat.interval.ms", "1000"));
        try (KafkaConsumer<String, String> consumer = new KafkaConsumer<>(config, new StringDeserializer(), new StringDeserializer())) {
            consumer.subscribe(List.of(topic));
            while (!leave.isDone()) {
                ConsumerRecords<String, String> records = consumer.poll(Duration.ofMillis(200));
                records.forEach(Agent::show);
                try {
                    if (!records.isEmpty()) consumer.commitSync();
                } catch (KafkaException e) {
                    say("note commit: %s", e);
                }
            }
        }
    }
}
