package admin

import (
	"cmp"
	"context"
	"crypto/tls"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sourcegraph/conc/iter"

	"github.com/laneway-go/laneway/internal/legible"
	"github.com/laneway-go/laneway/ops/admin/adminapi"
)

// Peers sets the admin APIs of all replicas: an address for each, or a DNS name that resolves to
// all of them, such as "billing-headless:7070". See adminapi.Config.At. With Peers the console
// shows and operates the whole fleet from any replica.
//
// This process passes on requests for a peer with the token of the caller, never with one of its
// own. So give all replicas the same Tokens. A request cannot add peers.
func Peers(at ...string) Option {
	return func(c *config) {
		if c.peers.At = at; len(at) == 0 {
			c.refuse("Peers was given no address", "give it a DNS name of all replicas, or leave it out")
		}
	}
}

// PeersTLS sets the certificate authorities to trust for Peers. Default: the system's.
func PeersTLS(t *tls.Config) Option { return func(c *config) { c.peers.TLS = t } }

// peers finds the processes of the fleet.
type peers struct {
	adminapi.Config

	mu     sync.Mutex // guards the fields below
	found  []*adminapi.Client
	looked time.Time
}

// lookEvery is how often names are resolved.
const lookEvery = 5 * time.Second

// relayed is the prefix of the paths of peers.
const relayed = "/v1/replicas/"

// all returns a client for each peer. If a name cannot be resolved, its earlier clients stay.
func (p *peers) all(ctx context.Context) ([]*adminapi.Client, error) {
	p.mu.Lock()
	found, fresh := p.found, time.Since(p.looked) < lookEvery
	p.mu.Unlock()
	if len(p.At) == 0 || fresh {
		return found, nil
	}
	now, err := adminapi.Clients(ctx, p.Config)
	if err != nil {
		return found, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, c := range now {
		if at := slices.IndexFunc(p.found, func(old *adminapi.Client) bool { return old.Addr() == c.Addr() }); at >= 0 {
			now[i] = p.found[at] // it has connections
		}
	}
	for _, old := range p.found {
		if !slices.Contains(now, old) {
			old.Close()
		}
	}
	p.found, p.looked = now, time.Now()
	return now, nil
}

func (p *peers) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.found {
		c.Close()
	}
}

// listReplicas asks all peers who they are. This process is in the list, whether it is a peer or
// not.
func (a *api) listReplicas(r *http.Request, who caller) (any, *problem) {
	clients, err := a.peers.all(r.Context())
	token := tokenOf(r)
	found := iter.Mapper[*adminapi.Client, adminapi.ReplicaInfo]{MaxGoroutines: max(len(clients), 1)}.Map(clients, func(c **adminapi.Client) adminapi.ReplicaInfo {
		p, err := (*c).As(token).Process(r.Context())
		if err != nil {
			return adminapi.ReplicaInfo{Addr: (*c).Addr(), Error: text(err)}
		}
		return adminapi.ReplicaInfo{Addr: (*c).Addr(), Self: p.Instance == a.instance, Process: &p}
	})
	if err != nil {
		found = append(found, adminapi.ReplicaInfo{Addr: legible.Text(strings.Join(a.peers.At, ", ")), Error: text(err)})
	}
	if !slices.ContainsFunc(found, func(r adminapi.ReplicaInfo) bool { return r.Self }) {
		mine := a.self(who)
		found = slices.Insert(found, 0, adminapi.ReplicaInfo{Self: true, Process: &mine})
	}
	return adminapi.Replicas{Replicas: found}, nil
}

// from returns where a change comes from, also through a peer. A caller with a token can write
// anything there, so it is logged beside the real address.
func from(r *http.Request) string {
	if addr, err := netip.ParseAddrPort(r.Header.Get("X-Forwarded-For")); err == nil {
		return r.RemoteAddr + " for " + addr.String()
	}
	return r.RemoteAddr
}

// tokenOf returns the token of a request.
func tokenOf(r *http.Request) string {
	_, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	return token
}

// relay passes a request on to the peer that its path names. The guard has let it through, and the
// rest of the path is one of this API.
func (a *api) relay(w http.ResponseWriter, r *http.Request) *problem {
	if _, bad := a.identify(r); bad != nil {
		return bad
	}
	addr, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.EscapedPath(), relayed), "/")
	addr, err := url.PathUnescape(addr)
	if err != nil {
		return errMissing("there is no such replica: /v1/replicas lists them")
	}
	inner := r.Clone(r.Context())
	inner.URL.RawPath = "/v1/" + rest
	if inner.URL.Path, err = url.PathUnescape(inner.URL.RawPath); err != nil || path.Clean(inner.URL.Path) != inner.URL.Path || strings.HasPrefix(inner.URL.Path, "/v1/replicas") {
		return errMissing("there is no " + inner.URL.RawPath + " of a replica")
	}
	if bad := cmp.Or(a.unrouted(w, inner), typed(r)); bad != nil {
		return bad
	}
	clients, err := a.peers.all(r.Context())
	at := slices.IndexFunc(clients, func(c *adminapi.Client) bool { return c.Addr() == addr })
	if at < 0 {
		because := ""
		if err != nil {
			because = ": " + text(err)
		}
		return errMissing("there is no replica " + addr + because + "; /v1/replicas lists them")
	}
	var body []byte
	if r.Method == http.MethodPost {
		if body, err = io.ReadAll(http.MaxBytesReader(w, r.Body, bodyMost(inner.URL.Path))); err != nil {
			return tooLarge(err)
		}
	}
	to := inner.URL.RawPath
	if r.URL.RawQuery != "" {
		to += "?" + r.URL.RawQuery
	}
	answer, err := clients[at].As(tokenOf(r)).Relay(r.Context(), r.RemoteAddr, r.Method, to, body)
	if err != nil {
		return &problem{Status: http.StatusBadGateway, Detail: "the replica " + addr + " does not answer: " + text(err)}
	}
	w.Header().Set("Content-Type", "application/json")
	if answer.Status != http.StatusOK {
		w.Header().Set("Content-Type", "application/problem+json")
	}
	w.WriteHeader(answer.Status)
	_, _ = w.Write(answer.Body)
	return nil
}
