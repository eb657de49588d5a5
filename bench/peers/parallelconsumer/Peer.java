import io.confluent.parallelconsumer.ParallelConsumerOptions;
import io.confluent.parallelconsumer.ParallelConsumerOptions.CommitMode;
import io.confluent.parallelconsumer.ParallelConsumerOptions.ProcessingOrder;
import io.confluent.parallelconsumer.ParallelStreamProcessor;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicIntegerArray;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/**
 * parallel-consumer at work, as child.go and judge.go are for the other peers. Its job comes as system properties, its
 * events leave as lines of JSON, and it ends when its standard input ends.
 */
public final class Peer {
    private static final long takes = Long.getLong("takes", 0); // milliseconds
    private static final long[] from = numbers("from");
    private static final long[] to = numbers("to");
    private static final boolean audit = Boolean.getBoolean("audit");
    private static final int poisonPartition = Integer.getInteger("poisonPartition", -1);
    private static final long poisonOffset = Long.getLong("poisonOffset", -1);
    private static final boolean paced = Boolean.getBoolean("paced");

    // The judge. A lane has eight longs, a cache line: the next offset in order, how many records are
    // left, how many were out of order.
    private static final long[] lanes;
    private static final AtomicIntegerArray busy;
    private static final AtomicInteger open = new AtomicInteger();
    private static final AtomicInteger began = new AtomicInteger();
    private static final AtomicLong overlaps = new AtomicLong();
    private static final AtomicLong attempts = new AtomicLong();
    private static final AtomicLong repeated = new AtomicLong();
    private static final AtomicIntegerArray[] seen = new AtomicIntegerArray[to.length];
    private static final AtomicLong progress = new AtomicLong();
    private static final AtomicInteger lateCount = new AtomicInteger();
    private static final int[] late; // microseconds

    private static final CountDownLatch done = new CountDownLatch(1);
    private static volatile boolean stuck;

    static {
        long[] totals = numbers("lanes");
        lanes = new long[totals.length * 8];
        busy = new AtomicIntegerArray(totals.length);
        for (int i = 0; i < totals.length; i++) {
            lanes[i * 8 + 1] = totals[i];
            if (totals[i] > 0) {
                open.incrementAndGet();
            }
        }
        long records = 0;
        for (int p = 0; p < to.length; p++) {
            records += to[p] - from[p];
            seen[p] = new AtomicIntegerArray(audit ? (int) ((to[p] - from[p] + 31) / 32) : 0);
        }
        late = new int[paced ? (int) records : 0];
    }

    public static void main(String[] args) throws Exception {
        Thread end = new Thread(Peer::untilEnd);
        end.setDaemon(true);
        end.start();
        if (poisonPartition >= 0) {
            Thread quiet = new Thread(Peer::untilQuiet);
            quiet.setDaemon(true);
            quiet.start();
        }
        KafkaConsumer<byte[], byte[]> consumer = new KafkaConsumer<>(Map.of(
                "bootstrap.servers", System.getProperty("brokers"),
                "group.id", System.getProperty("group"),
                "auto.offset.reset", "earliest",
                "enable.auto.commit", "false",
                "max.poll.records", "10000"),
                new ByteArrayDeserializer(), new ByteArrayDeserializer());
        ParallelStreamProcessor<byte[], byte[]> processor = ParallelStreamProcessor.createEosStreamProcessor(
                ParallelConsumerOptions.<byte[], byte[]>builder()
                        .consumer(consumer)
                        .ordering(ProcessingOrder.KEY)
                        .maxConcurrency(Integer.getInteger("atOnce"))
                        .commitMode(CommitMode.PERIODIC_CONSUMER_ASYNCHRONOUS)
                        .commitInterval(Duration.ofSeconds(1))
                        .build());
        processor.subscribe(List.of(System.getProperty("topic")));
        processor.poll(context -> handle(context.getSingleConsumerRecord()));
        done.await();
        tell(stuck ? "stuck" : "all", null);
        if (stuck) {
            processor.closeDontDrainFirst();
        } else {
            processor.closeDrainFirst();
        }
        tell("left", null);
        Thread.currentThread().join(); // untilEnd ends the process
    }

    private static void handle(ConsumerRecord<byte[], byte[]> r) {
        if (r.partition() == poisonPartition && r.offset() == poisonOffset) {
            attempts.incrementAndGet();
            throw new IllegalStateException("this record cannot be handled");
        }
        int number = number(r.key());
        int lane = number * 8;
        if (takes > 0) {
            if (busy.incrementAndGet(number) > 1) {
                overlaps.incrementAndGet();
            }
            try {
                Thread.sleep(takes);
            } catch (InterruptedException e) {
                throw new IllegalStateException(e);
            } finally {
                busy.decrementAndGet(number);
            }
        }
        if (paced) {
            note(r.value());
        }
        if (audit) {
            progress.incrementAndGet();
            long i = r.offset() - from[r.partition()];
            int bit = 1 << (i % 32);
            if ((seen[r.partition()].getAndUpdate((int) (i / 32), w -> w | bit) & bit) != 0) {
                repeated.incrementAndGet();
                return;
            }
        }
        if (lanes[lane] == 0 && began.compareAndSet(0, 1)) {
            tell("first", null);
        }
        if (r.offset() < lanes[lane]) {
            lanes[lane + 2]++;
            return;
        }
        lanes[lane] = r.offset() + 1;
        if (--lanes[lane + 1] == 0 && open.decrementAndGet() == 0) {
            done.countDown();
        }
    }

    /** Notes the latency of a record. Its value starts with the intended send time in ns since 1970; 0 is not measured. */
    private static void note(byte[] value) {
        long due = ByteBuffer.wrap(value).getLong();
        if (due != 0) {
            Instant now = Instant.now();
            long nanos = now.getEpochSecond() * 1_000_000_000L + now.getNano();
            late[lateCount.getAndIncrement()] = (int) Math.max(0, (nanos - due) / 1000);
        }
    }

    private static int number(byte[] key) {
        int n = 0;
        for (int i = key.length - 4; i < key.length; i++) {
            n = n * 10 + key[i] - '0';
        }
        return n;
    }

    /** Waits until nothing has been handled for two seconds since the poison was first met. */
    private static void untilQuiet() {
        long before = -1;
        long since = System.nanoTime();
        while (done.getCount() > 0) {
            try {
                Thread.sleep(100);
            } catch (InterruptedException e) {
                return;
            }
            long now = progress.get();
            if (now != before || attempts.get() == 0) {
                before = now;
                since = System.nanoTime();
            }
            if (System.nanoTime() - since > 2_000_000_000L) {
                stuck = true;
                done.countDown();
            }
        }
    }

    private static void untilEnd() {
        try {
            while (System.in.read() >= 0) {
                // the job came as properties
            }
        } catch (IOException e) {
            // this is an end as well
        }
        tell("ended", report());
        System.out.flush();
        Runtime.getRuntime().halt(0);
    }

    private static String report() {
        long disordered = overlaps.get();
        long missing = 0;
        for (int i = 0; i < lanes.length; i += 8) {
            disordered += lanes[i + 2];
            missing += lanes[i + 1];
        }
        StringBuilder words = new StringBuilder("[");
        for (AtomicIntegerArray part : seen) {
            words.append(words.length() > 1 ? ",[" : "[");
            for (int i = 0; i < part.length(); i++) {
                words.append(i > 0 ? "," : "").append(Integer.toUnsignedLong(part.get(i)));
            }
            words.append(']');
        }
        return String.format("{\"Missing\":%d,\"Disordered\":%d,\"Attempts\":%d,\"Repeated\":%d,\"PeakKiB\":%d,\"Seen\":%s],\"Late\":%s}",
                missing, disordered, attempts.get(), repeated.get(), peak(), words, Arrays.toString(Arrays.copyOf(late, lateCount.get())));
    }

    private static long peak() {
        try {
            for (String line : Files.readAllLines(Path.of("/proc/self/status"))) {
                if (line.startsWith("VmHWM:")) {
                    return Long.parseLong(line.replaceAll("[^0-9]", ""));
                }
            }
        } catch (IOException e) {
            // there is no /proc here
        }
        return 0;
    }

    private static synchronized void tell(String what, String report) {
        System.out.println("{\"What\":\"" + what + "\",\"At\":\"" + Instant.now() + "\"" + (report == null ? "" : ",\"Report\":" + report) + "}");
    }

    private static long[] numbers(String property) {
        return Arrays.stream(System.getProperty(property).split(",")).mapToLong(Long::parseLong).toArray();
    }
}
