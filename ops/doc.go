// Package ops has operators, codecs and middleware composed from stream's public surface alone: what is here, a user could have written.
package ops
