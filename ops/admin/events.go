package admin

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/laneway-go/laneway/internal/legible"
	"github.com/laneway-go/laneway/ops/admin/adminapi"
	"github.com/laneway-go/laneway/stream"
)

// events is the last events of all pipelines. What repeats, such as retries, has a ring of its own,
// or a storm of it would push a halt out.
type events struct {
	mu          sync.Mutex // guards the fields below; nothing is called under it
	seq         int64
	rare, often ring
}

// ring keeps the last events; at is where the next one goes.
type ring struct {
	of   []adminapi.Event
	most int
	at   int
}

func (g *ring) add(e adminapi.Event) {
	if len(g.of) < g.most {
		g.of = append(g.of, e)
		return
	}
	g.of[g.at] = e
	g.at = (g.at + 1) % g.most
}

func newEvents(most int) *events { return &events{rare: ring{most: most}, often: ring{most: most}} }

// keep numbers an event and keeps it.
func (g *events) keep(e adminapi.Event, repeats bool) {
	e.At = time.Now()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.seq++
	e.Seq = g.seq
	if repeats {
		g.often.add(e)
	} else {
		g.rare.add(e)
	}
}

// since returns the events after one, the oldest first.
func (g *events) since(after int64) (es []adminapi.Event, last int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	es = []adminapi.Event{}
	for _, from := range [][]adminapi.Event{g.rare.of, g.often.of} {
		for _, e := range from {
			if e.Seq > after {
				es = append(es, e)
			}
		}
	}
	slices.SortFunc(es, func(a, b adminapi.Event) int { return int(a.Seq - b.Seq) })
	return es, g.seq
}

// hear keeps an event of a pipeline.
func (g *events) hear(pipeline string, e stream.Event) {
	told, repeats, ok := eventOf(e)
	if !ok {
		return
	}
	told.Pipeline = pipeline
	g.keep(told, repeats)
}

// change keeps a change that somebody has asked for.
func (g *events) change(c change, what string, made bool) {
	e := at(c.tp, "info", c.verb, "%s", what)
	e.Pipeline, e.Halt, e.Offset, e.Step, e.By, e.From = c.pipeline, c.halt, c.offset, legible.Text(c.step), c.who.name, c.from
	if !made {
		e.Level, e.Text = "warn", refused+e.Text
	}
	g.keep(e, false)
}

// refused begins the text of a change that was not made.
const refused = "refused: "

// faster says who has changed what a caller wants to change, if that is among the last events.
func (g *events) faster(c change) string {
	g.mu.Lock()
	defer g.mu.Unlock()
	last := adminapi.Event{}
	for _, e := range g.rare.of {
		same := e.Halt == c.halt
		if c.halt == "" {
			same = e.Kind == c.verb && e.Pipeline == c.pipeline && e.Step == legible.Text(c.step)
		}
		if same && e.By != "" && !strings.HasPrefix(e.Text, refused) && e.Seq > last.Seq {
			last = e
		}
	}
	if last.By == "" {
		return ""
	}
	return fmt.Sprintf("; %s was faster: %s, %s ago", last.By, last.Kind, time.Since(last.At).Round(time.Second))
}

func (a *api) listEvents(r *http.Request, who caller) (any, *problem) {
	after, bad := afterOf(r)
	if bad != nil {
		return nil, bad
	}
	es, next := a.events.since(after)
	if who.scope < Read {
		for i := range es {
			es[i].Key, es[i].Stack, es[i].From = "", "", ""
		}
	}
	return adminapi.Events{Events: es, Next: next}, nil
}

// afterOf returns the number that the caller has; 0: none.
func afterOf(r *http.Request) (int64, *problem) {
	query := r.URL.Query()
	if !query.Has("after") {
		return 0, nil
	}
	after, err := strconv.ParseInt(query.Get("after"), 10, 64)
	if err != nil || after < 0 {
		return 0, &problem{Status: http.StatusBadRequest, Detail: "after is a number that next gave"}
	}
	return after, nil
}
