package main

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"strings"
)

const parallelConsumerVersion = "0.5.3.3" // as in parallelconsumer/pom.xml

// parallelConsumer is a Java client with order by key and more workers than partitions. Its program
// judges records as the Go peers do.
var parallelConsumer = peer{
	name:    "parallel-consumer",
	library: "io.confluent.parallelconsumer",
	settings: "a Java program: `ordering(KEY)`, `maxConcurrency(64)`, `PERIODIC_CONSUMER_ASYNCHRONOUS` every second, max.poll.records 10,000; " +
		"all else, and the JVM, at their defaults",
	byKey:   true,
	beside:  "64 keys",
	failure: "retried every second forever; all other keys continue",
	command: func(ctx context.Context, j job) (*exec.Cmd, error) {
		build := exec.CommandContext(ctx, "parallelconsumer/build")
		var said bytes.Buffer
		build.Stderr = &said
		path, err := build.Output()
		if err != nil {
			return nil, fmt.Errorf("parallelconsumer/build: %w: %s", err, said.String())
		}
		args := []string{"-cp", strings.TrimSpace(string(path)), "-Dorg.slf4j.simpleLogger.defaultLogLevel=off"}
		set := func(name string, value any) { args = append(args, fmt.Sprintf("-D%s=%v", name, value)) }
		set("brokers", strings.Join(j.Brokers, ","))
		set("topic", j.Topic)
		set("group", j.Group)
		set("atOnce", atOnce)
		set("takes", j.Takes.Milliseconds())
		set("from", commas(j.From))
		set("to", commas(j.To))
		set("lanes", commas(j.Lanes))
		set("audit", j.Audit)
		set("paced", j.Paced)
		if j.Poison != nil {
			set("poisonPartition", j.Poison.Partition)
			set("poisonOffset", j.Poison.Offset)
		}
		return exec.CommandContext(ctx, "java", append(args, "Peer")...), nil
	},
}

func commas(ns []int64) string {
	return strings.Trim(strings.ReplaceAll(fmt.Sprint(ns), " ", ","), "[]")
}
