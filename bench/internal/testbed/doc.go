// Package testbed is what benchmarks stand on: a broker in a process of its own, and the records that every worker reads.
package testbed
