package admin

import (
	"encoding/json"
	"net/http"

	"github.com/laneway-go/laneway/ops/admin/adminapi"
	"github.com/laneway-go/laneway/stream"
)

// problem is an answer to what cannot be done.
type problem adminapi.Problem

func errUnknown(detail string) *problem {
	return &problem{Status: http.StatusUnauthorized, Detail: detail}
}

func errMissing(detail string) *problem {
	return &problem{Status: http.StatusNotFound, Detail: detail}
}

// staleError says that things are not as the caller saw them.
type staleError string

func (e staleError) Error() string        { return string(e) }
func (e staleError) Is(target error) bool { return target == stream.ErrStale }

func (p *problem) write(w http.ResponseWriter) {
	switch p.Status {
	case http.StatusUnauthorized:
		w.Header().Set("WWW-Authenticate", "Bearer")
	case http.StatusTooManyRequests:
		w.Header().Set("Retry-After", "1")
	}
	p.Title = http.StatusText(p.Status)
	write(w, p.Status, "application/problem+json", p)
}

// write writes a body as JSON.
func write(w http.ResponseWriter, status int, kind string, body any) {
	w.Header().Set("Content-Type", kind)
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // fails only if the client has gone
}
