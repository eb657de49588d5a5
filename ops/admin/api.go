package admin

import (
	"crypto/rand"
	_ "embed" // openapi.json
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/laneway-go/laneway/internal/legible"
	"github.com/laneway-go/laneway/stream"
)

// document describes the API. A test holds it to the handlers.
//
//go:embed openapi.json
var document []byte

// api is the handler.
type api struct {
	*config
	pipelines []piped
	local     bool              // only this machine can reach it
	drain     func(cause error) // nil: no supervisor
	instance  string            // of this process: a drain must not hit its successor
	started   time.Time
	peers     peers
	events    *events
	failures  failures
	origins   *http.CrossOriginProtection
	mux       *http.ServeMux
}

// piped is a pipeline under the id that URLs have for it.
type piped struct {
	id string
	*stream.Pipeline
	work    *work
	history *history
}

// Handler returns the API for your own server, which handles TLS and slow clients. Mount it at the
// root. It needs a Token or a Certificate, since it cannot know who reaches it. It cannot drain.
// Its events are those of runs that start after this call.
func Handler(pipelines []*stream.Pipeline, opts ...Option) (http.Handler, error) {
	c := newConfig(opts)
	if len(c.tokens)+len(c.subjects) == 0 {
		c.refuse("Handler has no Token and no Certificate", "give it one, or nobody gets in")
	}
	if c.tls != nil || c.tokenFile != "" {
		c.refuse("TLS and TokenFile are the server's, which is yours", "leave them out, or use At")
	}
	if err := c.fault(); err != nil {
		return nil, err
	}
	return newAPI(c, pipelines)
}

func newAPI(c *config, ps []*stream.Pipeline) (*api, error) {
	a := &api{config: c, peers: peers{Config: c.peers}, instance: rand.Text(), started: time.Now(), events: newEvents(c.events),
		failures: newFailures(), origins: http.NewCrossOriginProtection(), mux: http.NewServeMux()}
	taken := map[string]int{}
	for i, p := range ps {
		if p == nil {
			return nil, &stream.BuildError{Code: "LW150", Step: "admin", What: fmt.Sprintf("pipeline %d is nil", i+1), Fix: "check the error that Build returned"}
		}
		id := legible.Text(p.Describe().Name)
		if taken[id]++; taken[id] > 1 {
			id = fmt.Sprintf("%s~%d", id, taken[id])
		}
		one := piped{id, p, newWork(p.Describe()), &history{}}
		a.pipelines = append(a.pipelines, one)
		for _, o := range []stream.Observer{{Event: func(e stream.Event) { a.events.hear(id, e) }}, {Event: one.history.hear}, one.work.observer()} {
			if err := p.Observe(o); err != nil {
				return nil, err
			}
		}
	}
	for pattern, f := range a.routes() {
		a.handle(pattern, f)
	}
	return a, nil
}

// answer handles a request that the guard has let through. It returns a body, or the problem.
type answer func(r *http.Request, who caller) (body any, _ *problem)

// routes are the paths and methods, as openapi.json has them.
func (a *api) routes() map[string]answer {
	return map[string]answer{
		"GET /v1/process":                         a.process,
		"GET /v1/replicas":                        a.listReplicas,
		"GET /v1/pipelines":                       a.listPipelines,
		"GET /v1/pipelines/{pipeline}/partitions": a.partitions,
		"GET /v1/pipelines/{pipeline}/partitions/{topic}/{partition}":       a.explain,
		"GET /v1/pipelines/{pipeline}/partitions/{topic}/{partition}/lanes": a.lanes,
		"GET /v1/pipelines/{pipeline}/history":                              a.listHistory,
		"GET /v1/pipelines/{pipeline}/record":                               a.record,
		"GET /v1/halts":                                                     a.listHalts,
		"GET /v1/events":                                                    a.listEvents,
		"GET /v1/openapi.json":                                              a.describe,
		"POST /v1/pipelines/{pipeline}/pause":                               a.pause,
		"POST /v1/pipelines/{pipeline}/pause-all":                           a.pauseAll,
		"POST /v1/pipelines/{pipeline}/park":                                a.park,
		"POST /v1/pipelines/{pipeline}/resume":                              a.resume,
		"POST /v1/pipelines/{pipeline}/resume-many":                         a.resumeMany,
		"POST /v1/pipelines/{pipeline}/skip":                                a.skip,
		"POST /v1/pipelines/{pipeline}/degree":                              a.degree,
		"POST /v1/pipelines/{pipeline}/rate":                                a.rate,
		"POST /v1/drain":                                                    a.drainAll,
	}
}

func (a *api) describe(*http.Request, caller) (any, *problem) { return json.RawMessage(document), nil }

func (a *api) handle(pattern string, f answer) {
	a.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		who, bad := a.identify(r)
		if bad == nil {
			bad = typed(r)
		}
		if bad == nil {
			r.Body = http.MaxBytesReader(w, r.Body, bodyMost(r.URL.Path))
			var body any
			if body, bad = f(r, who); bad == nil {
				write(w, http.StatusOK, "application/json", body)
				return
			}
		}
		bad.write(w)
	})
}

// ServeHTTP answers a request.
func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	for name, value := range headers {
		w.Header().Set(name, value)
	}
	if bad := a.guard(r); bad != nil {
		bad.write(w)
		return
	}
	if strings.HasPrefix(r.URL.Path, relayed) {
		if bad := a.relay(w, r); bad != nil {
			bad.write(w)
		}
		return
	}
	if strings.HasPrefix(r.URL.Path, "/v1/") {
		if bad := a.unrouted(w, r); bad != nil {
			bad.write(w)
			return
		}
		a.mux.ServeHTTP(w, r)
		return
	}
	if a.pages == nil {
		errMissing("there is nothing here; the API is described at /v1/openapi.json").write(w)
		return
	}
	a.pages.ServeHTTP(w, r)
}

// unrouted tells an unknown path from a method that its path does not have.
func (a *api) unrouted(w http.ResponseWriter, r *http.Request) *problem {
	if _, pattern := a.mux.Handler(r); pattern != "" {
		return nil
	}
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		other := r.Clone(r.Context())
		other.Method = method
		if _, pattern := a.mux.Handler(other); pattern != "" {
			w.Header().Set("Allow", method)
			return &problem{Status: http.StatusMethodNotAllowed, Detail: r.URL.Path + " has " + method + " alone"}
		}
	}
	return errMissing("there is no " + r.URL.Path + "; the API is described at /v1/openapi.json")
}

// pipeline is the one that the path names.
func (a *api) pipeline(r *http.Request) (piped, *problem) {
	id := r.PathValue("pipeline")
	for _, p := range a.pipelines {
		if p.id == id {
			return p, nil
		}
	}
	return piped{}, errMissing("there is no pipeline " + id + ": /v1/pipelines lists them")
}

// because turns an error of the pipeline into a problem.
func because(err error) *problem {
	bad := &problem{Status: http.StatusUnprocessableEntity, Detail: err.Error()}
	for _, conflict := range []error{stream.ErrStale, stream.ErrEpoch, stream.ErrSeen, stream.ErrNotRunning} {
		if errors.Is(err, conflict) {
			bad.Status = http.StatusConflict
		}
	}
	return bad
}
