// Package sink has places for elements to go: Slice, Chan and Func. A sink of your own is anything with stream.Sink's Write.
package sink
