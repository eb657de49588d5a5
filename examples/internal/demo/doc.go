// Package demo is shared by the examples, so that each is little more than its chain. It provides a
// Kafka for the run (a broker in this process, or the one that KAFKA_BROKERS names, with a topic
// and a group of the run's own), records to handle, a screen, checks, and processes to kill.
//
// An example is a Program. Its Run seeds the topic, runs the chain and checks the result. Main
// makes a command of it, demotest.Run a test.
package demo
