package main

import (
	"fmt"
	"strings"
	"time"
	"unicode"
)

// printable replaces what could control a terminal: keys and errors are not ours.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' || unicode.IsPrint(r) {
			return r
		}
		return '\uFFFD'
	}, s)
}

// cell returns a text on one line, for a table.
func cell(s string) string {
	const most = 160
	first, _, more := strings.Cut(strings.TrimSpace(s), "\n")
	first = strings.ReplaceAll(printable(first), "\t", " ")
	if rs := []rune(first); len(rs) > most {
		first, more = string(rs[:most]), true
	}
	if more {
		first += "…"
	}
	return first
}

// ago formats a duration for people.
func ago(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", max(d, 0)/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%dm", d/time.Minute)
	case d < 2*day:
		return fmt.Sprintf("%dh%dm", d/time.Hour, d%time.Hour/time.Minute)
	}
	return fmt.Sprintf("%dd%dh", d/day, d%day/time.Hour)
}

// count formats a number that may be unknown.
func count(n *int64) string {
	if n == nil {
		return "?"
	}
	return fmt.Sprint(*n)
}

// counted formats a number of things.
func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
