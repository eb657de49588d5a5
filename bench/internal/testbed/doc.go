// Package testbed has what all benchmarks share: a broker in a process of its own, the records and
// their keys, a judge of what clients do with them, and the fastest franz-go loop.
package testbed
