// Package demo is what the examples share, so that each of them is little more than its chain: a
// Kafka for the run (a broker in this process, or the one that KAFKA_BROKERS names, with a topic
// and a group of the run's own), records to handle, a screen, checks, and processes to kill.
//
// An example is a Program: its Run seeds the topic, runs the chain and checks what it promises;
// Main makes a command of it, demotest.Run a test.
package demo
