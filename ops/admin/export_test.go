package admin

import (
	"context"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"

	"github.com/laneway-go/laneway/stream"
)

// Local is the handler of a Server on loopback.
func Local(ps []*stream.Pipeline, drain func(error), opts ...Option) (http.Handler, error) {
	a, err := newAPI(newConfig(opts), ps)
	if err != nil {
		return nil, err
	}
	a.local, a.drain = true, drain
	return a, nil
}

// Sample has a handler of Local take samples until ctx ends, as a Server does.
func Sample(ctx context.Context, h http.Handler) { h.(*api).sample(ctx) }

// Routes are the patterns that the handler has.
func Routes() []string { return slices.Sorted(maps.Keys(new(api).routes())) }

// On has a server write and listen elsewhere.
func (s *Server) On(stderr io.Writer, l net.Listener) *Server {
	s.stderr = stderr
	if l != nil {
		s.bind = func(string, string) (net.Listener, error) { return l, nil }
	}
	return s
}
