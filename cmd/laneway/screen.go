package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"
	"github.com/sourcegraph/conc"
)

// watchScreen shows the fleet on a terminal until the user quits or ctx ends.
func watchScreen(ctx context.Context, p *pulse, every time.Duration, in io.Reader, out io.Writer, opts ...tea.ProgramOption) error {
	ctx, stop := context.WithCancel(ctx)
	want := &wish{ask: make(chan struct{}, 1)}
	program := tea.NewProgram(screen{wish: want}, append(opts, tea.WithContext(ctx), tea.WithInput(in), tea.WithOutput(out), tea.WithoutSignalHandler())...)
	var wg conc.WaitGroup
	defer wg.Wait()
	defer stop()
	wg.Go(func() {
		for ctx.Err() == nil {
			program.Send(p.look(ctx, want.place()))
			select {
			case <-ctx.Done():
			case <-want.ask:
			case <-time.After(every):
			}
		}
	})
	_, err := program.Run()
	if errors.Is(err, tea.ErrProgramKilled) && ctx.Err() != nil {
		return nil
	}
	return err
}

// wish is the partition to explain, as the user chose it.
type wish struct {
	ask chan struct{} // capacity 1, never closed: look at once

	mu sync.Mutex // guards of
	of *place
}

func (w *wish) place() *place {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.of
}

func (w *wish) set(of *place) {
	w.mu.Lock()
	w.of = of
	w.mu.Unlock()
	select {
	case w.ask <- struct{}{}:
	default:
	}
}

// screen is the state of the display. One goroutine calls its methods.
type screen struct {
	*wish
	beat          beat
	width, height int
	chosen        place // of the list
	explains      bool
	scrolled      int // lines of an explanation above the screen
}

func (s screen) Init() tea.Cmd { return nil }

func (s screen) Update(m tea.Msg) (tea.Model, tea.Cmd) {
	switch m := m.(type) {
	case tea.WindowSizeMsg:
		s.width, s.height = m.Width, m.Height
	case beat:
		s.beat = m
		if rows := s.rows(); len(rows) > 0 && s.index(rows) < 0 {
			s.chosen = rows[0].place()
		}
	case tea.KeyPressMsg:
		return s.press(m.String())
	}
	return s, nil
}

func (s screen) press(key string) (tea.Model, tea.Cmd) {
	switch key {
	case "q", "ctrl+c":
		return s, tea.Quit
	case "up", "k":
		s.move(-1)
	case "down", "j":
		s.move(1)
	case "pgup":
		s.move(-s.height / 2)
	case "pgdown":
		s.move(s.height / 2)
	case "enter":
		if rows := s.rows(); s.index(rows) >= 0 {
			s.explains, s.scrolled = true, 0
			of := s.chosen
			s.set(&of)
		}
	case "esc", "backspace":
		s.explains = false
		s.set(nil)
	}
	return s, nil
}

// move goes up or down, in the list or in an explanation.
func (s *screen) move(by int) {
	if s.explains {
		s.scrolled = max(s.scrolled+by, 0)
		return
	}
	rows := s.rows()
	if len(rows) == 0 {
		return
	}
	s.chosen = rows[min(max(s.index(rows)+by, 0), len(rows)-1)].place()
}

// rows returns the partitions, stuck ones first.
func (s screen) rows() []owned {
	rows := partitions(s.beat.views)
	slices.SortStableFunc(rows, func(a, b owned) int {
		switch {
		case a.stuck() == b.stuck():
			return 0
		case a.stuck():
			return -1
		}
		return 1
	})
	return rows
}

func (s screen) index(rows []owned) int {
	return slices.IndexFunc(rows, func(o owned) bool { return o.place() == s.chosen })
}

func (s screen) View() tea.View {
	var lines []string
	if s.beat.at.IsZero() {
		lines = []string{"laneway top: asking all replicas …"}
	} else {
		lines = append(lines, bold("laneway top  "+s.beat.at.Format(time.TimeOnly)+"  "+cell(s.beat.summary())))
		for _, v := range s.beat.views {
			if v.Error != "" {
				lines = append(lines, v.At+" "+cell(v.Error))
			}
		}
		lines = append(lines, "")
		help := "↑ ↓ choose   enter explain   q quit"
		if s.explains {
			lines = append(lines, s.explanation(s.height-len(lines)-2)...)
			help = "↑ ↓ scroll   esc back   q quit"
		} else {
			lines = append(lines, s.list(s.height-len(lines)-2)...)
		}
		lines = append(lines, "", help)
	}
	for i, l := range lines {
		lines[i] = ansi.Truncate(l, max(s.width, 20), "…")
	}
	v := tea.NewView(strings.Join(lines, "\n"))
	v.AltScreen, v.WindowTitle = true, "laneway top"
	return v
}

// list returns the table of partitions around the chosen one, in at most the given number of lines.
func (s screen) list(most int) []string {
	rows := s.rows()
	var b bytes.Buffer
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "PARTITION\tCAUSE\tLAG\tIN FLIGHT\tRECORDS/S\tREPLICA\tWHY")
	for _, o := range rows {
		rate := "-"
		if r, known := s.beat.rates[o.flow()]; known {
			rate = fmt.Sprintf("%.0f", r)
		}
		cause := o.Cause
		if cause == "" {
			cause = "-"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%s\t%s\t%s\n", cell(o.place().String()), cell(cause), count(o.Lag), o.InFlight, rate, o.view.At, cell(o.why()))
	}
	_ = w.Flush() // into memory
	lines := strings.Split(strings.TrimRight(b.String(), "\n"), "\n")
	at := s.index(rows)
	if at >= 0 {
		lines[at+1] = reversed(lines[at+1])
	}
	shown := max(most-1, 1)
	first := min(max(at-shown/2, 0), max(len(rows)-shown, 0))
	return append(lines[:1:1], lines[1+first:min(1+first+shown, len(lines))]...)
}

// explanation returns the explanation of the chosen partition, in at most the given number of
// lines.
func (s screen) explanation(most int) []string {
	es := slices.DeleteFunc(slices.Clone(s.beat.explained), func(e explained) bool { return e.place() != s.chosen })
	if len(es) == 0 {
		return []string{"asking why " + cell(s.chosen.String()) + " does not move …"}
	}
	var b bytes.Buffer
	writeExplained(&b, es, halts(s.beat.views))
	text := strings.TrimRight(strings.ReplaceAll(b.String(), "\t", "    "), "\n")
	lines := strings.Split(ansi.Wrap(text, max(s.width, 20), ""), "\n")
	first := min(s.scrolled, max(len(lines)-max(most, 1), 0))
	return lines[first:min(first+max(most, 1), len(lines))]
}

func bold(s string) string     { return "\x1b[1m" + s + "\x1b[m" }
func reversed(s string) string { return "\x1b[7m" + s + "\x1b[m" }
