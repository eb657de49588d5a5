package main

import (
	"bufio"
	"context"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"
)

// pulse looks at the crew, as rita.
func (c *crew) pulse() *pulse {
	return &pulse{remote: &remote{at: c.addrs, tokenFile: c.tokens["rita"], timeout: time.Minute, authority: &authority{}}}
}

// shown is a screen as a terminal shows it.
func (s screen) shown() string { return ansi.Strip(s.View().Content) }

// after is the screen after messages.
func (s screen) after(ms ...tea.Msg) screen {
	for _, m := range ms {
		next, _ := s.Update(m)
		s = next.(screen)
	}
	return s
}

func key(k rune) tea.Msg { return tea.KeyPressMsg{Code: k} }

func TestTop(t *testing.T) {
	t.Run("shows what is stuck first, and explains it on Enter", func(t *testing.T) {
		c := haltedCrew(t)
		p := c.pulse()
		s := screen{wish: &wish{ask: make(chan struct{}, 1)}}.after(tea.WindowSizeMsg{Width: 200, Height: 30}, p.look(t.Context(), nil))
		lines := strings.Split(s.shown(), "\n")
		if !strings.Contains(lines[0], "2 replicas, 4 partitions, lag 3, 3 in flight, 0 records/s, 3 halts") ||
			!strings.HasPrefix(lines[3], "orders[0]") || !strings.HasPrefix(lines[4], "orders[3]") || !strings.HasPrefix(lines[5], "orders[1]") {
			t.Errorf("the list:\n%s", s.shown())
		}
		s = s.after(key(tea.KeyDown), key(tea.KeyEnter))
		if of := s.place(); of == nil || of.n != 3 {
			t.Fatalf("it asks for %v", of)
		}
		s = s.after(p.look(t.Context(), s.place()))
		if !strings.Contains(s.shown(), "error    no stock of it") || !strings.Contains(s.shown(), "laneway resume "+c.ids()[1][:8]) {
			t.Errorf("the explanation:\n%s", s.shown())
		}
		small := s.after(tea.WindowSizeMsg{Width: 40, Height: 12})
		for _, l := range strings.Split(small.shown(), "\n") {
			if ansi.StringWidth(l) > 40 {
				t.Errorf("a line of %d columns: %s", ansi.StringWidth(l), l)
			}
		}
		if n := strings.Count(small.shown(), "\n"); n >= 12 {
			t.Errorf("%d lines on a screen of 12:\n%s", n+1, small.shown())
		}
		if scrolled := small.after(key(tea.KeyDown), key(tea.KeyDown)); scrolled.shown() == small.shown() {
			t.Errorf("it does not scroll:\n%s", scrolled.shown())
		}
		if s = s.after(key(tea.KeyEscape)); s.place() != nil || !strings.Contains(s.shown(), "PARTITION") {
			t.Errorf("after Escape:\n%s", s.shown())
		}
	})
	t.Run("says who does not answer, and what is finished in a second", func(t *testing.T) {
		c := start(t)
		p := c.pulse()
		p.look(t.Context(), nil)
		c.put(0, "fine")
		c.stops[1]()
		b := p.look(t.Context(), nil)
		s := screen{wish: &wish{}}.after(tea.WindowSizeMsg{Width: 200, Height: 30}, b)
		if !strings.Contains(s.shown(), "2 replicas (1 silent), 2 partitions") || !strings.Contains(s.shown(), c.addrs[1]+" does not answer") {
			t.Errorf("the list:\n%s", s.shown())
		}
		if o := partitions(b.views)[0]; b.rates[o.flow()] <= 0 {
			t.Errorf("rates: %v", b.rates)
		}
	})
	t.Run("shows the chosen one of more partitions than there are lines", func(t *testing.T) {
		c := start(t)
		s := screen{wish: &wish{}}.after(tea.WindowSizeMsg{Width: 100, Height: 7}, c.pulse().look(t.Context(), nil))
		if strings.Contains(s.shown(), "orders[3]") {
			t.Fatalf("all fit:\n%s", s.shown())
		}
		if s = s.after(key(tea.KeyDown), key(tea.KeyDown), key(tea.KeyDown), key(tea.KeyDown)); !strings.Contains(s.shown(), "orders[3]") {
			t.Errorf("at the end:\n%s", s.shown())
		}
	})
	t.Run("runs in a terminal until q", func(t *testing.T) {
		c := start(t)
		in, keys := io.Pipe()
		ended := make(chan error, 1)
		go func() {
			ended <- watchScreen(t.Context(), c.pulse(), time.Hour, in, io.Discard, tea.WithWindowSize(100, 20), tea.WithEnvironment([]string{"TERM=xterm"}))
		}()
		_, err := keys.Write([]byte("q"))
		must(t, err)
		must(t, <-ended)
		must(t, keys.Close())
	})
	t.Run("writes lines where there is no terminal", func(t *testing.T) {
		c := haltedCrew(t)
		r, w := io.Pipe()
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() {
			defer w.Close()
			ended <- watchLines(ctx, c.pulse(), 100*time.Millisecond, w)
		}()
		lines := bufio.NewScanner(r)
		next := func(says ...string) { // skips what comes in between
			for lines.Scan() {
				if !slices.ContainsFunc(says, func(s string) bool { return !strings.Contains(lines.Text(), s) }) {
					return
				}
			}
			t.Fatalf("no line says %q", says)
		}
		next("2 replicas, 4 partitions, lag 3", "3 halts")
		next("orders[0] of billing at "+c.addrs[0], "is halted by charge")
		next("orders[3] of billing at "+c.addrs[1], "has parked")
		c.fixed.Store(true)
		resumed := make(chan result, 1)
		go func() { resumed <- c.runs("olaf", "resume", "--all") }() // while lines are read
		next("orders[0] of billing is no longer stuck")
		must(t, (<-resumed).err)
		c.stops[0]()
		next(c.addrs[0] + " does not answer")
		stop()
		for lines.Scan() {
		}
		must(t, <-ended)
	})
	t.Run("ends at once where no look would succeed", func(t *testing.T) {
		c := start(t)
		c.ends(exitUsage, "no replica has a pipeline refunds", "", "top", "--pipeline", "refunds")
		c.ends(exitUsage, "at least 100ms", "", "top", "--every", "1ms")
	})
}
