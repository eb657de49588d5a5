package admin

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/segmentio/kafka-go"

	"github.com/laneway-go/laneway/internal/legible"
	"github.com/laneway-go/laneway/ops/admin/adminapi"
)

// previewMost is how much of a record is shown.
const previewMost = 4 << 10

func (a *api) record(r *http.Request, who caller) (any, *problem) {
	if bad := a.needs(who, Read); bad != nil {
		return nil, bad
	}
	p, bad := a.pipeline(r)
	if bad != nil {
		return nil, bad
	}
	if a.previews == nil {
		return nil, errMissing("previews are off: admin.Previews turns them on")
	}
	h, err := p.standing().halt(r.URL.Query().Get("halt"))
	if err != nil {
		return nil, because(err)
	}
	if h.Record == nil {
		return nil, errMissing("the record was not read here: its halt is of an earlier assignment")
	}
	shown, err := a.preview(h.Record)
	if err != nil {
		return nil, &problem{Status: http.StatusInternalServerError, Detail: err.Error()}
	}
	return adminapi.Preview{Text: legible.Cut(shown, previewMost), Truncated: len(shown) > previewMost}, nil
}

// preview calls a user's func, which may not know this record.
func (a *api) preview(record any) (shown string, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the func of admin.Previews panicked: %v", p)
		}
	}()
	return a.previews(record), nil
}

// plainText shows all of a record.
func plainText(record any) string {
	m, is := record.(kafka.Message)
	if !is {
		text, err := json.MarshalIndent(record, "", "  ")
		if err != nil {
			return fmt.Sprintf("%+v", record)
		}
		return string(text)
	}
	var b strings.Builder
	for _, h := range m.Headers {
		fmt.Fprintf(&b, "%s: %s\n", h.Key, legible.Cut(string(h.Value), 256))
	}
	if len(m.Headers) > 0 {
		b.WriteByte('\n')
	}
	b.Write(m.Value)
	return b.String()
}
