// Package legible turns unchecked bytes into text that every exporter accepts. OTLP refuses a whole
// batch of spans or log lines for one string that is not UTF-8.
package legible

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Text returns s with each byte that is not UTF-8 written as \xff.
func Text(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	var b strings.Builder
	for i, r := range s {
		if _, n := utf8.DecodeRuneInString(s[i:]); r == utf8.RuneError && n == 1 {
			fmt.Fprintf(&b, `\x%02x`, s[i])
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// Cut returns the first bytes of s as Text: at most most of them, in whole runes, with … for the
// rest.
func Cut(s string, most int) string {
	if len(s) <= most {
		return Text(s)
	}
	for i := most; i > most-utf8.UTFMax && i > 0; i-- {
		if utf8.RuneStart(s[i]) {
			most = i
			break
		}
	}
	return Text(s[:most]) + "…"
}

// Key returns the first 128 bytes of a record's key as Text.
func Key(key []byte) string {
	const most = 128
	return Cut(string(key[:min(len(key), most+1)]), most)
}

// Error returns err if its message is UTF-8, else an error with a UTF-8 message that wraps it.
func Error(err error) error {
	if err == nil {
		return nil
	}
	if message := err.Error(); !utf8.ValidString(message) {
		return cleaned{err, Text(message)}
	}
	return err
}

type cleaned struct {
	error
	text string
}

func (c cleaned) Error() string { return c.text }
func (c cleaned) Unwrap() error { return c.error }
