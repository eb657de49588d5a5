package admin

import (
	"encoding/base64"
	"net/http"

	"github.com/laneway-go/laneway/internal/legible"
	"github.com/laneway-go/laneway/ops/admin/adminapi"
	"github.com/laneway-go/laneway/stream"
)

const (
	// lanesMost is how many of the hottest keys an answer lists, and how many of the oldest.
	lanesMost = 10
	// exactMost is the longest key that an answer has in full: a request to park it must hold it.
	exactMost = 1 << 10
)

// lanes needs no token, but shows keys only with one.
func (a *api) lanes(r *http.Request, who caller) (any, *problem) {
	p, tp, bad := a.place(r)
	if bad != nil {
		return nil, bad
	}
	lanes, total := p.Lanes(tp, lanesMost)
	body := adminapi.Lanes{Lanes: []adminapi.Lane{}, Total: total}
	for _, l := range lanes {
		body.Lanes = append(body.Lanes, laneOf(l, who))
	}
	return body, nil
}

func laneOf(l stream.Lane, who caller) adminapi.Lane {
	b := adminapi.Lane{Keyless: l.Key == nil, Records: l.Records, Offset: l.Record.Offset, Time: when(l.Record.Time), Delivered: l.Delivered,
		Cause: string(l.Cause), Why: legible.Text(l.Why()), Since: when(l.Since), Until: when(l.Until),
		Step: legible.Text(l.Step), Attempt: l.Attempt, Error: text(l.Err)}
	if who.scope >= Read {
		b.Key = legible.Key(l.Key)
		if len(l.Key) <= exactMost {
			b.KeyBase64 = base64.StdEncoding.EncodeToString(l.Key)
		}
	}
	return b
}
